{{- /*
The certificate authorities of a program's servers, each from a Secret or a ConfigMap. The program reads the file
again for each connection, so a renewed one needs no new pod: that is why directories are mounted, not files.
*/}}

{{- /* Those of these values that exist and are set, as a dict from the variable's prefix to `ca`: [context, names]. */}}
{{- define "common.authorities" -}}
{{- $prefixes := dict "database" "DATABASE" "broker" "AMQP" "estoqueDatabase" "ESTOQUE_DATABASE" "pedidosDatabase" "PEDIDOS_DATABASE" -}}
{{- $found := dict -}}
{{- range $name := index . 1 -}}
{{- $ca := (index (index $ 0).Values $name).ca -}}
{{- if and $ca.secret $ca.configMap -}}
{{- fail (printf "%s.ca: name a Secret (%s) or a ConfigMap (%s), not both" $name $ca.secret $ca.configMap) -}}
{{- end -}}
{{- if or $ca.secret $ca.configMap -}}
{{- $_ := set $found (index $prefixes $name) $ca -}}
{{- end -}}
{{- end -}}
{{- toYaml $found -}}
{{- end }}

{{- define "common.authorityFolder" -}}
{{ . | lower | replace "_" "-" }}-ca
{{- end }}

{{- define "common.authorityEnv" -}}
{{- range $prefix, $_ := include "common.authorities" . | fromYaml }}
- {name: {{ $prefix }}_CA_FILE, value: /etc/reservaestoque/{{ include "common.authorityFolder" $prefix }}/ca.crt}
{{- end }}
{{- end }}

{{- define "common.authorityMounts" -}}
{{- range $prefix, $_ := include "common.authorities" . | fromYaml }}
{{- $folder := include "common.authorityFolder" $prefix }}
- {name: {{ $folder }}, mountPath: /etc/reservaestoque/{{ $folder }}, readOnly: true}
{{- end }}
{{- end }}

{{- /* Mounts only this key of a Secret: CloudNativePG stores the authority's private key in the same one. */}}
{{- define "common.authorityVolumes" -}}
{{- range $prefix, $ca := include "common.authorities" . | fromYaml }}
- name: {{ include "common.authorityFolder" $prefix }}
  {{- if $ca.secret }}
  secret: {secretName: {{ $ca.secret }}, items: [{key: {{ $ca.key }}, path: ca.crt}]}
  {{- else }}
  configMap: {name: {{ $ca.configMap }}, items: [{key: {{ $ca.key }}, path: ca.crt}]}
  {{- end }}
{{- end }}
{{- end }}
