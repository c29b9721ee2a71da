{{- /*
Secrets and ConfigMaps that the values name but the namespace lacks, as YAML: a description, and the values that name
it. Without access to a cluster (helm template, --dry-run=client) Helm finds none of them.
*/}}
{{- define "notes.missing" -}}
{{- $missing := dict -}}
{{- range $path := list "pedidos.database" "pedidos.migrations.database" "pedidos.broker" "estoque.database" "estoque.migrations.database" "estoque.broker" "operator.database" "conferir.estoqueDatabase" "conferir.pedidosDatabase" -}}
{{- $names := splitList "." $path -}}
{{- $part := index $.Values (first $names) -}}
{{- $inner := $part -}}
{{- range initial (rest $names) -}}
{{- $inner = index $inner . -}}
{{- end -}}
{{- $server := index $inner (last $names) -}}
{{- if and $server (dig "enabled" true $part) (dig "enabled" true $inner) -}}
{{- $wanted := list (dict "kind" "Secret" "name" $server.existingSecret "key" $server.key "path" (printf "%s.existingSecret" $path)) -}}
{{- $ca := $server.ca | default dict -}}
{{- with $ca.secret -}}
{{- $wanted = append $wanted (dict "kind" "Secret" "name" . "key" $ca.key "path" (printf "%s.ca" $path)) -}}
{{- end -}}
{{- with $ca.configMap -}}
{{- $wanted = append $wanted (dict "kind" "ConfigMap" "name" . "key" $ca.key "path" (printf "%s.ca" $path)) -}}
{{- end -}}
{{- range $wanted -}}
{{- $object := lookup "v1" .kind $.Release.Namespace .name -}}
{{- $said := "" -}}
{{- if not $object -}}
{{- $said = printf "Helm finds no %s %s in this namespace" .kind .name -}}
{{- else if not (hasKey ($object.data | default dict) .key) -}}
{{- $said = printf "The %s %s has no key %s" .kind .name .key -}}
{{- end -}}
{{- if $said -}}
{{- $_ := set $missing $said (append (index $missing $said | default list) .path) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $missing -}}
{{- end }}
