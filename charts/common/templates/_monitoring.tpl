{{- /* Registers the pods with the Prometheus Operator: dict "context", "component", "port", "path". */}}
{{- define "common.podmonitor" -}}
{{- $c := .context -}}
{{- $m := merge (dict) ($c.Values.podMonitor | default dict) (dig "podMonitor" dict ($c.Values.global | default dict)) -}}
{{- if $m.enabled }}
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  name: {{ include "common.name" $c }}
  labels:
    {{- include "common.labels" $c | nindent 4 }}
    {{- with $m.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  selector:
    matchLabels:
      {{- include "common.selectorLabels" $c | nindent 6 }}
      app.kubernetes.io/component: {{ .component }}
  podMetricsEndpoints:
    - port: {{ .port }}
      path: {{ .path }}
      interval: {{ $m.interval | default "30s" }}
{{- end }}
{{- end }}
