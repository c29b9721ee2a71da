{{- /*
Database connections: the maximum that all concurrent pods can open must fit into max_connections of the server.
*/}}

{{- /* The maximum number of connections per process and database. Tests keep these equal to the programs. */}}
{{- define "common.connectionsEach" -}}
pedidos: 16
estoque: 12
operator: 7
conferir: 4
migrations: 1
{{- end }}

{{- /*
The maximum number of concurrent pods of a Deployment, from its values. A rolling update adds one (maxSurge), and
terminating pods hold their connections for the whole grace period while the update continues: it terminates the next
pod after minReadySeconds at the earliest. While a new pod is being added, at least one old pod is not terminating.
*/}}
{{- define "common.podsAtOnce" -}}
{{- $replicas := int (ternary (dig "maxReplicas" 0 (.autoscaling | default dict)) .replicas (dig "enabled" false (.autoscaling | default dict))) -}}
{{- $grace := add .preStopSeconds 15 -}}
{{- $pace := max 1 (int (.minReadySeconds | default 1)) -}}
{{- $ending := min (max 0 (sub $replicas 1)) (div (add $grace (sub $pace 1)) $pace) -}}
{{- if $replicas }}{{ add $replicas 1 $ending }}{{ else }}0{{ end -}}
{{- end }}

{{- /* A client of a database, as a YAML list entry: dict "name", "values". */}}
{{- define "common.connectionsOf" -}}
{{- $each := index (include "common.connectionsEach" . | fromYaml) .name | int -}}
{{- $pods := include "common.podsAtOnce" .values | int -}}
- {what: "{{ $pods }} pods of {{ .name }} at once, {{ $each }} each", sum: {{ mul $pods $each }}}
{{- end }}

{{- /*
Fails unless all clients fit: dict "path" (of the database's values), "service", "database" (its values), "migrations"
(whether there is a Job), "clients" (YAML: a list of `what` and `sum`).
*/}}
{{- define "common.connectionsFit" -}}
{{- $clients := .clients | fromYamlArray -}}
{{- if .migrations -}}
{{- $clients = append $clients (dict "what" "the Job of the migrations" "sum" (index (include "common.connectionsEach" . | fromYaml) "migrations")) -}}
{{- end -}}
{{- $clients = append $clients (dict "what" (printf "others (%s.otherConnections)" .path) "sum" .database.otherConnections) -}}
{{- $all := 0 -}}
{{- $words := list -}}
{{- range $clients -}}
{{- $all = add $all (int .sum) -}}
{{- $words = append $words (printf "%s: %d" .what (int .sum)) -}}
{{- end -}}
{{- if gt (int $all) (int .database.maxConnections) -}}
{{- fail (printf "%s.maxConnections is %d, but its clients may open %d connections (%s). Lower %s.autoscaling.maxReplicas (without autoscaling replicas), or raise max_connections of the server and then this value: docs/operations.md, Connections." .path (int .database.maxConnections) (int $all) (join "; " $words) .service) -}}
{{- end -}}
{{- end }}

{{- /* For a service that is installed without the umbrella chart. */}}
{{- define "common.ownConnectionsFit" -}}
{{- $clients := include "common.connectionsOf" (dict "name" .Chart.Name "values" .Values) -}}
{{- include "common.connectionsFit" (dict "path" (printf "%s.database" .Chart.Name) "service" .Chart.Name "database" .Values.database "migrations" .Values.migrations.enabled "clients" $clients) -}}
{{- end }}
