{{- /*
The local system and Kubernetes share one configuration template (files/envoy.yaml). Here its endpoints are the names
of headless Services, and the listeners that only pods need are added.
*/}}
{{- define "gateway.config" -}}
{{- $text := .Files.Get "files/envoy.yaml" }}
{{- $text = $text | replace "${LISTEN_ADDRESS}" "0.0.0.0" | replace "${LISTEN_PORT}" "8080" | replace "${ADMIN_PORT}" "9901" }}
{{- range $name, $to := .Values.upstreams }}
{{- $endpoint := dict "endpoint" (dict "address" (dict "socket_address" (dict "address" $to.host "port_value" (int $to.port)))) }}
{{- $text = $text | replace (printf "${%s_ENDPOINTS}" (upper $name)) (list $endpoint | toJson) }}
{{- end }}
{{- $config := $text | fromYaml }}
{{- if $config.Error }}{{ fail $config.Error }}{{ end }}
{{- $more := .Files.Get "files/operation.yaml" | fromYaml }}
{{- $resources := $config.static_resources }}
{{- $_ := set $resources "listeners" (append $resources.listeners $more.listener) }}
{{- $_ := set $resources "clusters" (append $resources.clusters $more.cluster) }}
{{- toYaml $config }}
{{- end }}
