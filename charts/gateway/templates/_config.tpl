{{- /*
The local system and Kubernetes share one configuration template (files/envoy.yaml). Here its endpoints are the names
of headless Services, and the listeners that only pods need are added. Each cell's virtual host and clusters are those
of the same template, filled in with the cell's Services and renamed.
*/}}
{{- define "gateway.config" -}}
{{- include "gateway.checkHosts" . }}
{{- include "gateway.checkTls" . }}
{{- $config := include "gateway.filled" (list . .Values.upstreams) | fromYaml }}
{{- if $config.Error }}{{ fail $config.Error }}{{ end }}
{{- $resources := $config.static_resources }}
{{- if .Values.cells }}
{{- $manager := include "gateway.manager" $config | fromYaml }}
{{- $hosts := ternary $manager.route_config.virtual_hosts (rest $manager.route_config.virtual_hosts) .Values.defaultCell }}
{{- $clusters := list }}
{{- range $resources.clusters }}
{{- if or $.Values.defaultCell (eq .name "otlp") }}{{ $clusters = append $clusters . }}{{ end }}
{{- end }}
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
{{- if ne .name "otlp" }}
{{- $_ := set . "name" (printf "%s_%s" $name .name) }}
{{- $_ := set .load_assignment "cluster_name" .name }}
{{- $clusters = append $clusters . }}
{{- end }}
{{- end }}
{{- end }}
{{- $_ := set $manager.route_config "virtual_hosts" $hosts }}
{{- $format := (first $manager.access_log).typed_config.log_format.json_format }}
{{- $_ := set $format "host" "%REQ(:AUTHORITY)%" }}
{{- $_ := set $format "cell" "%METADATA(VIRTUAL_HOST:reservaestoque:cell)%" }}
{{- $_ := set (first (first (first $resources.listeners).filter_chains).filters) "typed_config" $manager }}
{{- $_ := set $resources "clusters" $clusters }}
{{- end }}
{{- if include "gateway.jwt" . }}
{{- range $name, $issuer := .Values.jwt.issuers }}
{{- if $issuer.jwksUri }}
{{- $_ := set $resources "clusters" (append $resources.clusters (include "gateway.jwksCluster" (list $name $issuer) | fromYaml)) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.tls.enabled .Values.tls.redirect }}
{{- $_ := set $resources "listeners" (append $resources.listeners (.Files.Get "files/redirect.yaml" | fromYaml)) }}
{{- end }}
{{- $more := .Files.Get "files/operation.yaml" | fromYaml }}
{{- $_ := set $resources "listeners" (append $resources.listeners $more.listener) }}
{{- $_ := set $resources "clusters" (append $resources.clusters $more.cluster) }}
{{- /* Only the pod itself reaches the admin interface; lifecycle.sh drains through it. */}}
{{- $_ := set $config.admin "allow_paths" (append $config.admin.allow_paths (dict "exact" "/healthcheck/fail")) }}
{{- toYaml $config }}
{{- end }}

{{- /* The template with the Services of one cell: [context, its pedidos and estoque]. */}}
{{- define "gateway.filled" -}}
{{- $c := index . 0 }}
{{- $text := $c.Files.Get "files/envoy.yaml" }}
{{- $v := $c.Values }}
{{- range $option, $on := dict "jwt" (include "gateway.jwt" $c) "limits" $v.limits.enabled "compression" $v.compression.enabled "cors" $v.cors.origins "tls" $v.tls.enabled "tracing" (include "gateway.collector" $c) "sampling" (not $v.trustTraceparent) "hosts" (or $v.hosts (not $v.defaultCell)) }}
{{- if not $on }}
{{- $text = regexReplaceAll (printf "(?ms)^ *# if %s\n.*?^ *# end %s\n" $option $option) $text "" }}
{{- end }}
{{- end }}
{{- $text = $text | replace "${LISTEN_ADDRESS}" "0.0.0.0" | replace "${LISTEN_PORT}" (ternary "8443" "8080" $v.tls.enabled) | replace "${ADMIN_PORT}" "9901" }}
{{- $text = $text | replace "${TRUSTED_HOPS}" (toString (int64 $v.trustedHops)) | replace "${HSTS_SECONDS}" (toString (int64 $v.tls.hstsSeconds)) }}
{{- $text = $text | replace "${TLS_SECRET}" "/etc/envoy/certificate.yaml" }}
{{- $text = $text | replace "${MAX_CONNECTIONS}" (toString (int64 $v.maxConnections)) | replace "${MAX_HEAP_BYTES}" (include "gateway.heap" $c) }}
{{- range $v.cors.origins }}
{{- if not (regexMatch "^https?://[^/]+$" .) }}
{{- fail (printf "gateway.cors.origins: %s is not an origin: write a scheme, a host and optionally a port, such as https://loja.example" .) }}
{{- end }}
{{- end }}
{{- $origins := list }}
{{- $authorities := list }}
{{- range $v.cors.origins }}
{{- $origins = append $origins (dict "exact" .) }}
{{- $authorities = append $authorities (dict "exact" (regexReplaceAll "^https?://" . "")) }}
{{- end }}
{{- $text = $text | replace "${CORS_ORIGINS}" (toJson $origins) | replace "${CSRF_ORIGINS}" (toJson $authorities) }}
{{- $hosts := list "*" }}
{{- with $v.hosts }}{{ $hosts = concat . (include "gateway.ownHosts" $c | fromJsonArray) | uniq }}{{ end }}
{{- $text = $text | replace "${HOSTS}" (toJson $hosts) }}
{{- with include "gateway.collector" $c }}
{{- $address := urlParse . }}
{{- if ne $address.scheme "http" }}
{{- fail (printf "global.tracing.endpoint: %s: write http://<host>:<port>, as the gateway sends traces without TLS" .) }}
{{- end }}
{{- $text = $text | replace "${OTLP_URI}" (printf "%s/v1/traces" (trimSuffix "/" .)) | replace "${SAMPLE_PERCENT}" (toString $c.Values.global.tracing.samplePercent) }}
{{- $text = $text | replace "${OTLP_ADDRESS}" $address.hostname | replace "${OTLP_PORT}" (regexFind "[0-9]+$" $address.host | default "4318") }}
{{- end }}
{{- if include "gateway.jwt" $c }}
{{- $names := list }}
{{- range $name := keys $v.jwt.issuers | sortAlpha }}{{ $names = append $names (dict "provider_name" $name) }}{{ end }}
{{- $requirement := first $names }}
{{- if rest $names }}{{ $requirement = dict "requires_any" (dict "requirements" $names) }}{{ end }}
{{- $optional := dict "requires_any" (dict "requirements" (append $names (dict "allow_missing" dict))) }}
{{- $text = $text | replace "${JWT_REQUIREMENT}" (toJson $requirement) | replace "${JWT_OPTIONAL}" (toJson $optional) }}
{{- $text = $text | replace "${JWT_PROVIDERS}" (include "gateway.providers" $c | fromYaml | toJson) }}
{{- $text = $text | replace "${SUBJECT_LUA}" ($c.Files.Get "files/subject.lua" | toJson) }}
{{- end }}
{{- $text = $text | replace "${LIMITS_LUA}" ($c.Files.Get "files/limits.lua" | toJson) }}
{{- $text = $text | replace "${LIMIT_CLIENTS}" (toString (int64 $v.limits.clients)) }}
{{- range $name := list "reads" "writes" "streams" }}
{{- $rate := index $v.limits $name }}
{{- $upper := trimSuffix "S" (upper $name) }}
{{- $text = $text | replace (printf "${LIMIT_%s_RATE}" $upper) (toString (int64 $rate.perSecond)) }}
{{- $text = $text | replace (printf "${LIMIT_%s_BURST}" $upper) (toString (int64 $rate.burst)) }}
{{- $text = $text | replace (printf "${LIMIT_SHOP_%s_RATE}" $upper) (toString (mul $rate.perSecond $v.limits.shopFactor)) }}
{{- $text = $text | replace (printf "${LIMIT_SHOP_%s_BURST}" $upper) (toString (mul $rate.burst $v.limits.shopFactor)) }}
{{- end }}
{{- $panel := index . 1 | dig "painel" nil }}
{{- range $name, $to := pick (index . 1) "pedidos" "estoque" "painel" }}
{{- if $to }}
{{- $endpoint := dict "endpoint" (dict "address" (dict "socket_address" (dict "address" $to.host "port_value" (int $to.port)))) }}
{{- $text = $text | replace (printf "${%s_ENDPOINTS}" (upper $name)) (list $endpoint | toJson) }}
{{- end }}
{{- end }}
{{- if $panel }}
{{- $text }}
{{- else }}
{{- include "gateway.withoutPanel" ($text | replace "${PAINEL_ENDPOINTS}" "[]") }}
{{- end }}
{{- end }}

{{- /* The filled template without the panel's routes and cluster. */}}
{{- define "gateway.withoutPanel" -}}
{{- $config := fromYaml . }}
{{- $host := first (first (first (first $config.static_resources.listeners).filter_chains).filters).typed_config.route_config.virtual_hosts }}
{{- $routes := list }}
{{- range $host.routes }}
{{- if ne (dig "route" "cluster" "" .) "painel" }}{{ $routes = append $routes . }}{{ end }}
{{- end }}
{{- $_ := set $host "routes" $routes }}
{{- $clusters := list }}
{{- range $config.static_resources.clusters }}
{{- if ne .name "painel" }}{{ $clusters = append $clusters . }}{{ end }}
{{- end }}
{{- $_ := set $config.static_resources "clusters" $clusters }}
{{- toYaml $config }}
{{- end }}

{{- /* The connection manager of a filled template. */}}
{{- define "gateway.manager" -}}
{{- toYaml (first (first (first .static_resources.listeners).filter_chains).filters).typed_config }}
{{- end }}

{{- /* Refuses what Envoy would refuse only when its pods start. */}}
{{- define "gateway.checkHosts" -}}
{{- if not (or .Values.defaultCell .Values.cells) }}
{{- fail "defaultCell is false and cells is empty, so no request could be routed" }}
{{- end }}
{{- if and .Values.hosts (not .Values.defaultCell) }}
{{- fail "gateway: hosts names the hosts of the default cell, but defaultCell is false: move them to cells.<name>.hosts, or leave hosts empty" }}
{{- end }}
{{- $named := list }}
{{- if .Values.hosts }}
{{- range .Values.hosts }}{{ $named = append $named (list (lower .) "hosts") }}{{ end }}
{{- range include "gateway.ownHosts" . | fromJsonArray }}
{{- if not (has . $.Values.hosts) }}{{ $named = append $named (list . "the names of the Service") }}{{ end }}
{{- end }}
{{- end }}
{{- range $name, $cell := .Values.cells }}
{{- range $cell.hosts }}{{ $named = append $named (list (lower .) (printf "cells.%s.hosts" $name)) }}{{ end }}
{{- end }}
{{- $where := dict }}
{{- range $named }}
{{- if hasKey $where (first .) }}
{{- fail (printf "gateway: the host %s is in %s and in %s: name each host once" (first .) (get $where (first .)) (last .)) }}
{{- end }}
{{- $_ := set $where (first .) (last .) }}
{{- end }}
{{- end }}

{{- /* The names by which callers in the cluster know the gateway. */}}
{{- define "gateway.ownHosts" -}}
{{- $name := printf "gateway.%s" .Release.Namespace }}
{{- list "gateway" $name (printf "%s.svc" $name) (printf "%s.svc.cluster.local" $name) | toJson }}
{{- end }}

{{- /* Not empty if requests need a token. One switch for the gateway and the services. */}}
{{- define "gateway.jwt" -}}
{{- if dig "jwt" "enabled" false (.Values.global | default dict) }}
{{- if not .Values.jwt.issuers }}
{{- fail "global.jwt.enabled is true, but gateway.jwt.issuers names no issuer: whose tokens should the gateway accept? (docs/security.md)" }}
{{- end -}}
true
{{- end }}
{{- end }}

{{- /* The issuers in the form of jwt_authn. */}}
{{- define "gateway.providers" -}}
{{- range $name, $issuer := .Values.jwt.issuers }}
{{- $sources := list }}
{{- range list "jwksUri" "jwksSecret" "jwks" }}{{ if index $issuer . }}{{ $sources = append $sources . }}{{ end }}{{ end }}
{{- if ne (len $sources) 1 }}
{{- fail (printf "gateway.jwt.issuers.%s: name its keys by one of jwksUri, jwksSecret and jwks (found: %s)" $name (join ", " $sources | default "none")) }}
{{- end }}
{{- if eq (empty $issuer.audiences) (not $issuer.allowAnyAudience) }}
{{- fail (printf "gateway.jwt.issuers.%s: name the accepted audiences; without them, tokens that the issuer gave to other applications would be accepted too (allowAnyAudience: true, without audiences, permits that)" $name) }}
{{- end }}
{{- if and (hasPrefix "http:" ($issuer.jwksUri | default "")) (not $issuer.allowPlainHttp) }}
{{- fail (printf "gateway.jwt.issuers.%s.jwksUri: %s is not https: anyone on the way could replace the keys, and then sign tokens (allowPlainHttp: true permits that)" $name $issuer.jwksUri) }}
{{- end }}
{{ $name }}:
  issuer: {{ $issuer.issuer | quote }}
  {{- with $issuer.audiences }}
  audiences: {{ toJson . }}
  {{- end }}
  require_expiration: true
  failed_status_in_metadata: failure
  payload_in_metadata: {{ printf "%s %s" ($issuer.subjectClaim | default "sub") ($issuer.scopeClaim | default "scope") | quote }} # for subject.lua
  clock_skew_seconds: {{ $issuer.clockSkewSeconds | default 30 }}
  {{- if $issuer.jwksUri }}
  remote_jwks:
    http_uri: {uri: {{ $issuer.jwksUri | quote }}, cluster: jwks_{{ $name }}, timeout: 5s}
    cache_duration: {{ $issuer.cacheSeconds | default 300 }}s
    # Fetched before the gateway accepts requests, and again before the keys expire. If the issuer is down, the
    # previous keys remain in use.
    async_fetch: {failed_refetch_duration: 1s}
  {{- else if $issuer.jwksSecret }}
  local_jwks:
    # Read once: a changed Secret needs a restart.
    filename: /etc/envoy-jwks/{{ $name }}/{{ $issuer.jwksSecret.key | default "jwks.json" }}
  {{- else }}
  local_jwks: {inline_string: {{ $issuer.jwks | quote }}}
  {{- end }}
  # Never from the query, which ends up in logs. Schemes are case-insensitive (RFC 9110, section 11.1) but prefixes are
  # not, so the two usual spellings are listed.
  from_headers: [{name: Authorization, value_prefix: "Bearer "}, {name: Authorization, value_prefix: "bearer "}]
{{- end }}
{{- end }}

{{- /* The address of an issuer's keys: [its name, its values]. */}}
{{- define "gateway.jwksCluster" -}}
{{- $name := index . 0 }}
{{- $issuer := index . 1 }}
{{- $url := urlParse $issuer.jwksUri }}
{{- $tls := eq $url.scheme "https" }}
name: jwks_{{ $name }}
cluster_type:
  name: envoy.clusters.dns
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.clusters.dns.v3.DnsCluster
    dns_refresh_rate: 30s
    dns_lookup_family: V4_PREFERRED
    all_addresses_in_single_endpoint: true
connect_timeout: 5s
load_assignment:
  cluster_name: jwks_{{ $name }}
  endpoints:
    - lb_endpoints:
        - endpoint:
            address:
              socket_address: {address: {{ $url.hostname | quote }}, port_value: {{ include "gateway.port" $url }}}
{{- if $tls }}
transport_socket:
  name: envoy.transport_sockets.tls
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
    sni: {{ $url.hostname | quote }}
    common_tls_context:
      tls_params: {tls_minimum_protocol_version: TLSv1_2}
      validation_context:
        trusted_ca: {filename: {{ if $issuer.jwksCa }}/etc/envoy-jwks-ca/{{ $name }}/{{ $issuer.jwksCa.key | default "ca.crt" }}{{ else }}/etc/ssl/certs/ca-certificates.crt{{ end }}}
        match_typed_subject_alt_names:
          - {san_type: DNS, matcher: {exact: {{ $url.hostname | quote }}}}
{{- end }}
{{- end }}

{{- /* The heap gets four fifths of the container's memory: the rest is for code, stacks and the allocator. */}}
{{- define "gateway.heap" -}}
{{- $limit := dig "limits" "memory" "512Mi" .Values.resources | toString }}
{{- if not (regexMatch "^[0-9]+[MG]i$" $limit) }}
{{- fail (printf "gateway.resources.limits.memory is %s: write it in Mi or Gi" $limit) }}
{{- end }}
{{- $unit := ternary 1073741824 1048576 (hasSuffix "Gi" $limit) }}
{{- div (mul (int64 (regexFind "^[0-9]+" $limit)) $unit 4) 5 }}
{{- end }}

{{- /* The port of a URL that urlParse has parsed. */}}
{{- define "gateway.port" -}}
{{- $port := trimPrefix ":" (trimPrefix .hostname .host) -}}
{{- $port | default (ternary "443" "80" (eq .scheme "https")) -}}
{{- end }}

{{- define "gateway.checkTls" -}}
{{- if .Values.tls.enabled }}
{{- if not .Values.tls.secret }}
{{- fail "gateway.tls.enabled is true, but gateway.tls.secret names no Secret with tls.crt and tls.key" }}
{{- end }}
{{- if or .Values.ingress.enabled .Values.httpRoute.enabled }}
{{- fail "gateway.tls and gateway.ingress or gateway.httpRoute are both enabled: TLS ends either at the gateway or in front of it" }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The trace collector; empty if there is none. */}}
{{- define "gateway.collector" -}}
{{- dig "tracing" "endpoint" "" (.Values.global | default dict) }}
{{- end }}
