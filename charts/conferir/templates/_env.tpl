{{- define "conferir.env" -}}
{{ include "common.secretEnv" (dict "name" "ESTOQUE_DATABASE_URL" "from" .Values.estoqueDatabase) }}
{{ include "common.secretEnv" (dict "name" "PEDIDOS_DATABASE_URL" "from" .Values.pedidosDatabase) }}
{{- end }}
