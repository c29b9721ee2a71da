{{- define "conferir.env" -}}
{{ include "comum.secretEnv" (dict "name" "ESTOQUE_DATABASE_URL" "from" .Values.estoqueDatabase) }}
{{ include "comum.secretEnv" (dict "name" "PEDIDOS_DATABASE_URL" "from" .Values.pedidosDatabase) }}
{{- end }}
