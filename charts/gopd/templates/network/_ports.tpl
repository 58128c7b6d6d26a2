{{/* The port of the external MLflow's address. */}}
{{- define "gopd.trackingPort" -}}
{{- $parts := include "gopd.trackingUri" . | urlParse -}}
{{- $port := regexFind ":[0-9]+$" $parts.host | trimPrefix ":" -}}
{{- default (eq $parts.scheme "https" | ternary "443" "80") $port -}}
{{- end -}}
