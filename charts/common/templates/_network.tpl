{{- define "common.networkPolicyHead" -}}
{{- $c := index . 0 -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "common.name" $c }}{{ if ne (index . 1) (index . 2) }}-{{ index . 1 }}{{ end }}
  labels:
    {{- include "common.labels" $c | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "common.selectorLabels" $c | nindent 6 }}
      app.kubernetes.io/component: {{ index . 1 }}
  policyTypes: [Ingress, Egress]
{{- end }}

{{- define "common.egressDns" -}}
- to:
    {{- toYaml .Values.networkPolicy.dns | nindent 4 }}
  ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end }}

{{- /* Egress to peers from the values, or to pods of this name: dict "peers", "name", "ports". */}}
{{- define "common.egressTo" -}}
- to:
    {{- if .peers }}
    {{- toYaml .peers | nindent 4 }}
    {{- else }}
    - podSelector:
        matchLabels:
          app.kubernetes.io/name: {{ .name }}
    {{- end }}
  ports:
    {{- range .ports }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end }}

{{- /* AMQP ports, without and with TLS: the address in the Secret decides which one is used. */}}
{{- define "common.amqpPorts" -}}
[5672, 5671]
{{- end }}

{{- /* Ingress for scraping, for the panel, and for the pods of `helm test`: dict "context", "port" (9000). */}}
{{- define "common.ingressObservers" -}}
- from:
    {{- with .context.Values.networkPolicy.scrapers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    - podSelector:
        matchLabels:
          app.kubernetes.io/part-of: reserva-estoque
          app.kubernetes.io/component: test
    - podSelector:
        matchLabels:
          app.kubernetes.io/part-of: reserva-estoque
          app.kubernetes.io/component: panel
  ports:
    - {protocol: TCP, port: {{ .port | default 9000 }}}
{{- end }}

{{- /* Ingress from the gateway of this namespace, or from those of the namespaces in global.gatewayNamespaces: [context]. */}}
{{- define "common.ingressGateway" -}}
{{- $labels := dict "app.kubernetes.io/name" "gateway" "app.kubernetes.io/part-of" "reserva-estoque" -}}
- from:
    {{- range dig "gatewayNamespaces" list (.Values.global | default dict) }}
    - podSelector:
        matchLabels:
          {{- toYaml $labels | nindent 10 }}
      namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ . }}
    {{- else }}
    - podSelector:
        matchLabels:
          {{- toYaml $labels | nindent 10 }}
    {{- end }}
  ports:
    - {protocol: TCP, port: 8000}
{{- end }}

{{- /* Egress to the trace collector, if there is one: [context]. */}}
{{- define "common.egressTracing" -}}
{{- with dig "tracing" dict (.Values.global | default dict) }}
{{- if .endpoint }}
{{- $host := (urlParse .endpoint).host }}
- ports:
    - {protocol: TCP, port: {{ regexFind "[0-9]+$" $host | default "4318" }}}
  {{- with .peers }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}
