{{- /* Where the replicas of each part answer, and whether the gateway says who asks. */}}
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
