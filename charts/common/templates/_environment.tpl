{{- /* An environment variable from a Secret: dict "name", "from" ({existingSecret, key}). */}}
{{- define "common.secretEnv" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ required (printf "%s: existingSecret is missing" .name) .from.existingSecret }}
      key: {{ required (printf "%s: key is missing" .name) .from.key }}
{{- end }}

{{- /* The secrets of a service, and the settings that must be the same in both services. */}}
{{- define "common.serviceEnv" -}}
{{ include "common.secretEnv" (dict "name" "DATABASE_URL" "from" .Values.database) }}
{{ include "common.secretEnv" (dict "name" "AMQP_URL" "from" .Values.broker) }}
- {name: IDENTITY, value: {{ ternary "gateway" "none" (dig "jwt" "enabled" false (.Values.global | default dict)) }}}
{{- range $name, $value := dig "settings" dict (.Values.global | default dict) }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}

{{- /*
The ports of a program, by its component. Each has one for health and metrics, which observers may reach; the API has
its own, first in the list, which only the gateway may reach, because it trusts the gateway's headers.
*/}}
{{- define "common.ports" -}}
{{- if has . (list "service" "panel") }}
- {name: http, port: 8000, variable: PORT}
{{- end }}
- {name: metrics, port: 9000, variable: METRICS_PORT}
{{- end }}

{{- /* Where a program listens, its settings, and further variables from the values: [context, component]. */}}
{{- define "common.settingsEnv" -}}
{{- $c := index . 0 -}}
- {name: HOST, value: 0.0.0.0}
{{- range include "common.ports" (index . 1) | fromYamlArray }}
- {name: {{ .variable }}, value: {{ .port | quote }}}
{{- end }}
{{- range $name, $value := $c.Values.settings }}
- name: {{ $name }}
  value: {{ if kindIs "float64" $value }}{{ int64 $value | quote }}{{ else }}{{ $value | quote }}{{ end }}
{{- end }}
{{- with dig "tracing" dict ($c.Values.global | default dict) }}
{{- if .endpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ .endpoint | quote }}}
- {name: OTEL_TRACES_SAMPLER, value: parentbased_traceidratio}
- {name: OTEL_TRACES_SAMPLER_ARG, value: {{ divf .samplePercent 100 | quote }}}
{{- end }}
{{- end }}
{{- with $c.Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
