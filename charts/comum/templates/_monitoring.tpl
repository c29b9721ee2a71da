{{- /* Tells Prometheus' operator of the pods: dict "context", "component", "port", "path". */}}
{{- define "comum.podmonitor" -}}
{{- $c := .context -}}
{{- $m := merge (dict) ($c.Values.podMonitor | default dict) (dig "podMonitor" dict ($c.Values.global | default dict)) -}}
{{- if $m.enabled }}
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  name: {{ include "comum.name" $c }}
  labels:
    {{- include "comum.labels" $c | nindent 4 }}
    {{- with $m.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  selector:
    matchLabels:
      {{- include "comum.selectorLabels" $c | nindent 6 }}
      app.kubernetes.io/component: {{ .component }}
  podMetricsEndpoints:
    - port: {{ .port }}
      path: {{ .path }}
      interval: {{ $m.interval | default "30s" }}
{{- end }}
{{- end }}
