{{- /* The URLs of each part's replicas, and whether the gateway authenticates callers. */}}
{{- define "painel.env" -}}
{{- range $part, $of := .Values.watched }}
- {name: {{ upper $part }}_URLS, value: "http://painel-{{ $part }}:{{ $of.port }}"}
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
