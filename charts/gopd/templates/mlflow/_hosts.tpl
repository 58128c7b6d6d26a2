{{/*
Host headers that the embedded MLflow answers to, comma-separated. Setting any replaces MLflow's own list, and each is
compared with the whole header, port included: hence every name twice. Without the names of the Service all clients in
the cluster would be refused while the probes stay green.
*/}}
{{- define "gopd.allowedHosts" -}}
{{- $name := include "gopd.mlflow" . -}}
{{- $full := printf "%s.%s" $name .Release.Namespace -}}
{{- $hosts := list "localhost" "localhost:*" "127.0.0.1" "127.0.0.1:*" -}}
{{- $hosts = concat $hosts (list "10.*" "192.168.*" "172.1[6-9].*" "172.2[0-9].*" "172.3[01].*" "fc00:*" "fd00:*") -}}
{{- $hosts = concat $hosts (list $name (print $name ":*") $full (print $full ":*") (print $full ".svc*")) -}}
{{- concat $hosts .Values.mlflow.embedded.allowedHosts | join "," -}}
{{- end -}}

{{/* Origins that a browser names for the hosts that the values add: without them its changes would be refused. */}}
{{- define "gopd.allowedOrigins" -}}
{{- $origins := list -}}
{{- range .Values.mlflow.embedded.allowedHosts -}}
{{- $origins = concat $origins (list (print "http://" .) (print "https://" .)) -}}
{{- end -}}
{{- join "," $origins -}}
{{- end -}}
