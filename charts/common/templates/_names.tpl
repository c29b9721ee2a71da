{{- /* One installation per namespace: resources have fixed names, regardless of the release name. */}}
{{- define "common.name" -}}
{{ .Chart.Name }}
{{- end }}

{{- define "common.selectorLabels" -}}
app.kubernetes.io/name: {{ include "common.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* Labels of every object. */}}
{{- define "common.labels" -}}
{{ include "common.selectorLabels" . }}
app.kubernetes.io/part-of: reserva-estoque
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- /* Selector labels of pods, which must not change between releases: [context, component]. */}}
{{- define "common.podLabels" -}}
{{ include "common.selectorLabels" (index . 0) }}
app.kubernetes.io/part-of: reserva-estoque
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- /* The image reference: a digest takes precedence over a tag; global values fill in what the chart's own leave unset. */}}
{{- define "common.image" -}}
{{- $global := dig "image" dict (.Values.global | default dict) -}}
{{- $registry := $global.registry | default "" -}}
{{- $tag := .Values.image.tag | default $global.tag | default .Chart.AppVersion -}}
{{- if kindIs "float64" $tag }}{{ $tag = int64 $tag }}{{ end -}}
{{- if $registry }}{{ trimSuffix "/" $registry }}/{{ end }}{{ .Values.image.repository }}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ $tag }}{{ end }}
{{- end }}

{{- define "common.pullPolicy" -}}
{{ .Values.image.pullPolicy | default (dig "image" "pullPolicy" "" (.Values.global | default dict)) | default "IfNotPresent" }}
{{- end }}

{{- define "common.pullSecrets" -}}
{{- with dig "imagePullSecrets" list (.Values.global | default dict) }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
