{{/* Names and labels. */}}
{{- define "gopd.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $default := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- default $default .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "gopd.operator" -}}
{{ include "gopd.fullname" . }}-operator
{{- end -}}

{{- define "gopd.mlflow" -}}
{{ include "gopd.fullname" . }}-mlflow
{{- end -}}

{{- define "gopd.serviceAccount" -}}
{{- default (include "gopd.operator" .) .Values.serviceAccount.name -}}
{{- end -}}

{{/* (list . component) */}}
{{- define "gopd.selector" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: {{ default $.Chart.Name $.Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ $.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "gopd.labels" -}}
{{- $ := index . 0 -}}
{{ include "gopd.selector" . }}
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $.Release.Service }}
helm.sh/chart: {{ $.Chart.Name }}-{{ $.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* (list . repository tag digest): one of the project's images, below imageRegistry. */}}
{{- define "gopd.image" -}}
{{- $registry := (index . 0).Values.imageRegistry -}}
{{- $repository := $registry | empty | ternary (index . 1) (printf "%s/%s" (trimSuffix "/" $registry) (index . 1)) -}}
{{- include "gopd.pinned" (list $repository (index . 2) (index . 3)) -}}
{{- end -}}

{{/* (list repository tag digest): a digest goes before a tag. */}}
{{- define "gopd.pinned" -}}
{{- index . 0 -}}{{- if index . 2 -}}@{{ index . 2 }}{{- else -}}:{{ index . 1 }}{{- end -}}
{{- end -}}

{{- define "gopd.operatorImage" -}}
{{- with .Values.image -}}
{{- include "gopd.image" (list $ .repository (default $.Chart.AppVersion .tag) .digest) -}}
{{- end -}}
{{- end -}}

{{/* (list . name:tag) */}}
{{- define "gopd.jobImage" -}}
{{- $registry := (index . 0).Values.imageRegistry -}}
{{- $registry | empty | ternary (index . 1) (printf "%s/%s" (trimSuffix "/" $registry) (index . 1)) -}}
{{- end -}}
