{{- /* [context, component] */}}
{{- define "common.pdb" -}}
{{- $c := index . 0 -}}
{{- if $c.Values.pdb.enabled }}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "common.name" $c }}
  labels:
    {{- include "common.labels" $c | nindent 4 }}
spec:
  maxUnavailable: {{ $c.Values.pdb.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "common.selectorLabels" $c | nindent 6 }}
      app.kubernetes.io/component: {{ index . 1 }}
{{- end }}
{{- end }}

{{- /* Scales by CPU relative to the request. If KEDA is enabled, it creates its own autoscaler instead. */}}
{{- define "common.hpa" -}}
{{- $a := .Values.autoscaling -}}
{{- if and $a.enabled (not (dig "keda" "enabled" false $a)) }}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "common.name" . }}
  labels:
    {{- include "common.labels" . | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ include "common.name" . }}}
  minReplicas: {{ $a.minReplicas }}
  maxReplicas: {{ $a.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: {type: Utilization, averageUtilization: {{ $a.targetCPUUtilizationPercentage }}}
  {{- with $a.behavior }}
  behavior:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}
