{{- /*
The local system and Kubernetes share one configuration template (files/envoy.yaml). Here its endpoints are the names
of headless Services, and the listeners that only pods need are added. Each cell's virtual host and clusters are those
of the same template, filled in with the cell's Services and renamed.
*/}}
{{- define "gateway.config" -}}
{{- include "gateway.checkCells" . }}
{{- $config := include "gateway.filled" (list . .Values.upstreams) | fromYaml }}
{{- if $config.Error }}{{ fail $config.Error }}{{ end }}
{{- $resources := $config.static_resources }}
{{- if .Values.cells }}
{{- $manager := include "gateway.manager" $config | fromYaml }}
{{- $hosts := ternary $manager.route_config.virtual_hosts list .Values.defaultCell }}
{{- $clusters := ternary $resources.clusters list .Values.defaultCell }}
{{- range $name, $cell := .Values.cells }}
{{- $filled := include "gateway.filled" (list $ $cell) | fromYaml }}
{{- $host := first (include "gateway.manager" $filled | fromYaml).route_config.virtual_hosts }}
{{- $_ := set $host "name" (printf "cell_%s" $name) }}
{{- $_ := set $host "domains" $cell.hosts }}
{{- $_ := set $host "metadata" (dict "filter_metadata" (dict "reservaestoque" (dict "cell" $name))) }}
{{- range $host.routes }}
{{- with .route }}
{{- $_ := set . "cluster" (printf "%s_%s" $name .cluster) }}
{{- end }}
{{- end }}
{{- $hosts = append $hosts $host }}
{{- range $filled.static_resources.clusters }}
{{- $_ := set . "name" (printf "%s_%s" $name .name) }}
{{- $_ := set .load_assignment "cluster_name" .name }}
{{- $clusters = append $clusters . }}
{{- end }}
{{- end }}
{{- $_ := set $manager.route_config "virtual_hosts" $hosts }}
{{- $_ := set $manager.route_config "ignore_port_in_host_matching" true }}
{{- $format := (first $manager.access_log).typed_config.log_format.json_format }}
{{- $_ := set $format "host" "%REQ(:AUTHORITY)%" }}
{{- $_ := set $format "cell" "%METADATA(VIRTUAL_HOST:reservaestoque:cell)%" }}
{{- $_ := set (first (first (first $resources.listeners).filter_chains).filters) "typed_config" $manager }}
{{- $_ := set $resources "clusters" $clusters }}
{{- end }}
{{- $more := .Files.Get "files/operation.yaml" | fromYaml }}
{{- $_ := set $resources "listeners" (append $resources.listeners $more.listener) }}
{{- $_ := set $resources "clusters" (append $resources.clusters $more.cluster) }}
{{- toYaml $config }}
{{- end }}

{{- /* The template with the Services of one cell: [context, its pedidos and estoque]. */}}
{{- define "gateway.filled" -}}
{{- $c := index . 0 }}
{{- $text := $c.Files.Get "files/envoy.yaml" }}
{{- $text = $text | replace "${LISTEN_ADDRESS}" "0.0.0.0" | replace "${LISTEN_PORT}" "8080" | replace "${ADMIN_PORT}" "9901" }}
{{- range $name, $to := pick (index . 1) "pedidos" "estoque" }}
{{- $endpoint := dict "endpoint" (dict "address" (dict "socket_address" (dict "address" $to.host "port_value" (int $to.port)))) }}
{{- $text = $text | replace (printf "${%s_ENDPOINTS}" (upper $name)) (list $endpoint | toJson) }}
{{- end }}
{{- $text }}
{{- end }}

{{- /* The connection manager of a filled template. */}}
{{- define "gateway.manager" -}}
{{- toYaml (first (first (first .static_resources.listeners).filter_chains).filters).typed_config }}
{{- end }}

{{- /* Refuses what Envoy would refuse only when its pods start. */}}
{{- define "gateway.checkCells" -}}
{{- if not (or .Values.defaultCell .Values.cells) }}
{{- fail "defaultCell is false and cells is empty, so no request could be routed" }}
{{- end }}
{{- $cellOf := dict }}
{{- range $name, $cell := .Values.cells }}
{{- range $cell.hosts }}
{{- if hasKey $cellOf . }}
{{- fail (printf "the host %s is in the cells %s and %s" . (index $cellOf .) $name) }}
{{- end }}
{{- $_ := set $cellOf . $name }}
{{- end }}
{{- end }}
{{- end }}
