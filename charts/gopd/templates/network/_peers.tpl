{{/* Whom network policies name. */}}

{{/* The port of the external MLflow's address. */}}
{{- define "gopd.trackingPort" -}}
{{- $parts := include "gopd.trackingUri" . | urlParse -}}
{{- $port := regexFind ":[0-9]+$" $parts.host | trimPrefix ":" -}}
{{- default (eq $parts.scheme "https" | ternary "443" "80") $port -}}
{{- end -}}

{{/* Selector of the namespace that KubeRay's operator runs in. */}}
{{- define "gopd.kuberay" -}}
{{- $default := dict "matchLabels" (dict "kubernetes.io/metadata.name" "kuberay-system") -}}
{{- .Values.networkPolicies.kuberayNamespaceSelector | default $default | toYaml -}}
{{- end -}}

{{/* Selector of the namespaces that are served: the listed ones, or every one. */}}
{{- define "gopd.servedSelector" -}}
{{- $served := include "gopd.namespaces" . | fromJsonArray -}}
{{- $listed := dict "key" "kubernetes.io/metadata.name" "operator" "In" "values" $served -}}
{{- $served | empty | ternary dict (dict "matchExpressions" (list $listed)) | toYaml -}}
{{- end -}}
