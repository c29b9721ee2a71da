{{- /*
Folders with certificates and keys, as a YAML list of `name`, `path`, `volume`. Folders are mounted, not files, so that
Envoy sees when Kubernetes replaces the certificate.
*/}}
{{- define "gateway.folders" -}}
{{- $folders := list }}
{{- if .Values.tls.enabled }}
{{- $items := list (dict "key" "tls.crt" "path" "tls.crt") (dict "key" "tls.key" "path" "tls.key") }}
{{- $folders = append $folders (dict "name" "tls" "path" "/etc/envoy-tls" "volume" (dict "secret" (dict "secretName" .Values.tls.secret "items" $items))) }}
{{- end }}
{{- if include "gateway.jwt" . }}
{{- range $name, $issuer := .Values.jwt.issuers }}
{{- with $issuer.jwksSecret }}
{{- $items := list (dict "key" (.key | default "jwks.json") "path" (.key | default "jwks.json")) }}
{{- $folders = append $folders (dict "name" (printf "jwks-%s" $name) "path" (printf "/etc/envoy-jwks/%s" $name) "volume" (dict "secret" (dict "secretName" .name "items" $items))) }}
{{- end }}
{{- with $issuer.jwksCa }}
{{- $key := .key | default "ca.crt" }}
{{- $items := list (dict "key" $key "path" $key) }}
{{- if and .secret .configMap }}
{{- fail (printf "gateway.jwt.issuers.%s.jwksCa: name a Secret (%s) or a ConfigMap (%s), not both" $name .secret .configMap) }}
{{- else if .secret }}
{{- $folders = append $folders (dict "name" (printf "jwks-ca-%s" $name) "path" (printf "/etc/envoy-jwks-ca/%s" $name) "volume" (dict "secret" (dict "secretName" .secret "items" $items))) }}
{{- else if .configMap }}
{{- $folders = append $folders (dict "name" (printf "jwks-ca-%s" $name) "path" (printf "/etc/envoy-jwks-ca/%s" $name) "volume" (dict "configMap" (dict "name" .configMap "items" $items))) }}
{{- else }}
{{- fail (printf "gateway.jwt.issuers.%s.jwksCa: name a Secret or a ConfigMap" $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $folders }}
{{- end }}
