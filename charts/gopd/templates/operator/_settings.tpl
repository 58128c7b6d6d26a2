{{/* settings.yaml: the values below `settings`, and what follows from the scope, the images and MLflow. */}}
{{- define "gopd.settings" -}}
{{- $settings := deepCopy .Values.settings -}}
{{- $own := $settings.images.operator -}}
{{- $images := dict
      "trainer" (include "gopd.jobImage" (list . $settings.images.trainer))
      "evaluation" (include "gopd.jobImage" (list . $settings.images.evaluation))
      "operator" ($own | empty | ternary (include "gopd.operatorImage" .) (include "gopd.jobImage" (list . $own))) -}}
{{- $grading := $settings.images.grading -}}
{{- $_ := set $settings "images" (merge $images $settings.images) -}}
{{- $_ := set $settings.images "grading" ($grading | empty | ternary nil (include "gopd.jobImage" (list . $grading))) -}}
{{- $_ := set $settings "namespaces" (include "gopd.namespaces" . | fromJsonArray) -}}
{{- $_ := set $settings "trackingUri" (include "gopd.trackingUri" . | default nil) -}}
{{- $_ := set $settings "trackingSecret" (include "gopd.trackingSecret" . | default nil) -}}
{{- toYaml $settings -}}
{{- end -}}

{{- define "gopd.trackingUri" -}}
{{- if eq .Values.mlflow.mode "embedded" -}}
http://{{ include "gopd.mlflow" . }}.{{ .Release.Namespace }}.svc:{{ .Values.mlflow.embedded.port }}
{{- else if eq .Values.mlflow.mode "external" -}}
{{- required "mlflow.external.trackingUri: missing with mlflow.mode external; set it to the address of MLflow, or choose mode embedded or none" .Values.mlflow.external.trackingUri -}}
{{- end -}}
{{- end -}}

{{- define "gopd.trackingSecret" -}}
{{- if eq .Values.mlflow.mode "external" -}}{{- .Values.mlflow.external.existingSecret -}}{{- end -}}
{{- end -}}
