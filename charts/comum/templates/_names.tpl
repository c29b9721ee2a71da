{{- /* One installation a namespace: things are called what they are, whatever the release is called. */}}
{{- define "comum.name" -}}
{{ .Chart.Name }}
{{- end }}

{{- define "comum.selectorLabels" -}}
app.kubernetes.io/name: {{ include "comum.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* Labels of every object. */}}
{{- define "comum.labels" -}}
{{ include "comum.selectorLabels" . }}
app.kubernetes.io/part-of: reserva-estoque
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- /* Labels of pods, which must not change from release to release: [context, component]. */}}
{{- define "comum.podLabels" -}}
{{ include "comum.selectorLabels" (index . 0) }}
app.kubernetes.io/part-of: reserva-estoque
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- /* The image's name: a digest wins over a tag; global values fill in what the chart's own leave open. */}}
{{- define "comum.image" -}}
{{- $global := dig "image" dict (.Values.global | default dict) -}}
{{- $registry := $global.registry | default "" -}}
{{- $tag := .Values.image.tag | default $global.tag | default .Chart.AppVersion -}}
{{- if kindIs "float64" $tag }}{{ $tag = int64 $tag }}{{ end -}}
{{- if $registry }}{{ trimSuffix "/" $registry }}/{{ end }}{{ .Values.image.repository }}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ $tag }}{{ end }}
{{- end }}

{{- define "comum.pullPolicy" -}}
{{ .Values.image.pullPolicy | default (dig "image" "pullPolicy" "" (.Values.global | default dict)) | default "IfNotPresent" }}
{{- end }}

{{- define "comum.pullSecrets" -}}
{{- with dig "imagePullSecrets" list (.Values.global | default dict) }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
