{{- /*
Names are fixed and do not follow the release's: a cluster has one Clonegate, for whoever answers for all DataVolumes answers for all of
them, and refusals, the settings' defaults and the documentation call things by these names.
*/ -}}

{{- define "clonegate.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace -}}
{{- end -}}

{{- /* What one component's objects are found by; never changes. Takes root and component. */ -}}
{{- define "clonegate.selector" -}}
app.kubernetes.io/name: clonegate
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- /* Takes root and, for what is of one component, component. */ -}}
{{- define "clonegate.labels" -}}
app.kubernetes.io/name: clonegate
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
app.kubernetes.io/part-of: clonegate
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* Those for everything, with those for this object. Takes root and, optional, own. */ -}}
{{- define "clonegate.annotations" -}}
{{- with merge (dict) (.own | default dict) .root.Values.commonAnnotations }}
{{- toYaml . }}
{{- end }}
{{- end -}}

{{- /* metadata of an object. Takes root, name and, optional, component, annotations, clusterScoped. */ -}}
{{- define "clonegate.metadata" -}}
name: {{ .name }}
{{- if not .clusterScoped }}
namespace: {{ .namespace | default (include "clonegate.namespace" .root) }}
{{- end }}
labels:
  {{- include "clonegate.labels" . | nindent 2 }}
{{- with include "clonegate.annotations" (dict "root" .root "own" .annotations) }}
annotations:
  {{- . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "clonegate.image" -}}
{{- $image := .Values.image -}}
{{- $name := $image.repository -}}
{{- with $image.registry }}{{ $name = printf "%s/%s" . $name }}{{ end -}}
{{- if $image.digest -}}
{{ $name }}@{{ $image.digest }}
{{- else -}}
{{ $name }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- /* A flag for every setting, so that `kubectl describe` shows all that a program was told. Takes a dict of flag to value. */ -}}
{{- define "clonegate.flags" -}}
{{- range $flag, $value := . }}
{{- $text := kindIs "float64" $value | ternary (int64 $value | toString) (toString $value) }}
{{- if kindIs "slice" $value }}{{ $text = join "," $value }}{{ end }}
{{- if kindIs "map" $value }}
{{- $pairs := list }}
{{- range $key, $each := $value }}{{ $pairs = append $pairs (printf "%s=%s" $key (toString $each)) }}{{ end }}
{{- $text = join "," $pairs }}
{{- end }}
- {{ printf "--%s=%s" $flag $text | quote }}
{{- end }}
{{- end -}}

{{- /* CDI brings its own definitions, and two owners of one would overwrite each other. */ -}}
{{- define "clonegate.installsCrds" -}}
{{- if and .Values.crds.install (eq .Values.executor "clonegate") }}true{{ end -}}
{{- end -}}

{{- /* Whether the serving certificate comes from a Secret that others fill. */ -}}
{{- define "clonegate.certificateSecret" -}}
{{- if eq .Values.certificates.mode "existing" -}}
{{ .Values.certificates.existing.secretName }}
{{- else if ne .Values.certificates.mode "selfSigned" -}}
clonegate-webhook-tls
{{- end -}}
{{- end -}}

{{- define "clonegate.podSecurityContext" -}}
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- /* No user is named: OpenShift gives each namespace numbers of its own, elsewhere the image's counts. */ -}}
{{- define "clonegate.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- /* Takes root, component, and name: of a ClusterRole or Role that is bound to the component's ServiceAccount. */ -}}
{{- define "clonegate.binding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}Binding
metadata:
  {{- include "clonegate.metadata" (merge (dict "clusterScoped" (eq .kind "ClusterRole")) .) | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ .account | default (printf "clonegate-%s" .component) }}
    namespace: {{ include "clonegate.namespace" .root }}
{{- end -}}
