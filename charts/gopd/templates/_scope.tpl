{{/* Which namespaces, and what the operator may do there. */}}

{{/* JSON list of the namespaces that are served; empty: all. */}}
{{- define "gopd.namespaces" -}}
{{- $own := .Values.singleNamespaceInstall | ternary (list .Release.Namespace) list -}}
{{- .Values.watchNamespace | default $own | toJson -}}
{{- end -}}

{{/* JSON list of the namespaces with jobs that network policies are made in. */}}
{{- define "gopd.jobNamespaces" -}}
{{- .Values.networkPolicies.jobNamespaces | default (include "gopd.namespaces" . | fromJsonArray) | toJson -}}
{{- end -}}

{{/*
What the operator uses, and nothing else: the tests take each verb away and see one fail.
It may grant a training's account only what it may do itself, which is why it may patch configmaps.
*/}}
{{- define "gopd.rules" -}}
- apiGroups: [gopd.io]
  resources: [distillationjobs, evaljobs]
  # create and patch: the children of a sweep. delete: ttlSecondsAfterFinished.
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [gopd.io]
  resources: [distillationjobs/status, evaljobs/status]
  verbs: [update]
- apiGroups: [gopd.io]
  # For owner references that block deletion, where the cluster checks them.
  resources: [distillationjobs/finalizers, evaljobs/finalizers]
  verbs: [update]
- apiGroups: [ray.io]
  resources: [rayjobs]
  verbs: [get, list, watch, create, delete]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [create]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [create]
- apiGroups: [""]
  # Why a pod does not start, or was taken away.
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end -}}
