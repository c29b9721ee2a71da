{{- /* The port of a component's metrics. Not a value: an upgrade that reuses values would keep that of the older release. */}}
{{- define "painel.port" -}}
{{ ternary 9902 9000 (eq . "gateway") }}
{{- end }}

{{- /* The URLs of each part's replicas, and whether the gateway authenticates callers. */}}
{{- define "painel.env" -}}
{{- range $part, $of := .Values.watched }}
- {name: {{ upper $part }}_URLS, value: "http://painel-{{ $part }}:{{ include "painel.port" $of.component }}"}
{{- end }}
{{- with .Values.rabbitmq }}
{{- if .host }}
- {name: RABBITMQ_URLS, value: "http://{{ .host }}:{{ .port }}"}
{{- end }}
{{- end }}
{{- if dig "jwt" "enabled" false (.Values.global | default dict) }}
- {name: IDENTITY, value: gateway}
{{- end }}
{{- end }}
