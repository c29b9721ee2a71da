{{- /* Databases and roles: a database is named after its owner; guests have the privileges that migrations grant. */}}
{{- define "dataStores.databases" -}}
pedidos: [pedidos_runtime, conferente]
estoque: [estoque_runtime, operador, conferente]
{{- end }}

{{- /*
What each service's user of the broker may do, as regular expressions of names: declare its exchange and its queues, write
to them and, for dead letters, to the default exchange, read its queues and bind them to the other exchange.
*/}}
{{- define "dataStores.permissions" -}}
{{- range $service, $peer := dict "pedidos" "estoque" "estoque" "pedidos" }}
{{ $service }}:
  configure: ^{{ $service }}(\..+)?$
  write: ^({{ $service }}(\..+)?|amq\.default)$
  read: ^({{ $service }}\..+|{{ $peer }})$
{{- end }}
{{- end }}

{{- /* [context, name] */}}
{{- define "dataStores.selectorLabels" -}}
app.kubernetes.io/name: {{ index . 1 }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
{{- end }}

{{- /* [context, name, component] */}}
{{- define "dataStores.podLabels" -}}
{{ include "dataStores.selectorLabels" . }}
app.kubernetes.io/part-of: reserva-estoque
app.kubernetes.io/component: {{ index . 2 }}
{{- end }}

{{- define "dataStores.labels" -}}
{{ include "dataStores.podLabels" . }}
{{ omit (include "common.labels" (index . 0) | fromYaml) "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/part-of" | toYaml }}
{{- end }}

{{- /* The prefix of a role's keys in the Secret of its database: [database, role]. */}}
{{- define "dataStores.prefix" -}}
{{- $database := index . 0 -}}
{{- $role := index . 1 -}}
{{- if ne $role $database }}{{ trimPrefix (printf "%s_" $database) $role }}-{{ end -}}
{{- end }}

{{- /* The password from the values, else from the Secret, else a new one: [context, secret, key, role]. */}}
{{- define "dataStores.password" -}}
{{- $c := index . 0 -}}
{{- $there := dig "data" (index . 2) "" (lookup "v1" "Secret" $c.Release.Namespace (index . 1) | default dict) -}}
{{- with index $c.Values.passwords (index . 3) -}}
{{ . }}
{{- else -}}
{{ $there | b64dec | default (randAlphaNum 24) }}
{{- end -}}
{{- end }}

{{- define "dataStores.podSecurity" -}}
runAsNonRoot: true
runAsUser: 999
runAsGroup: 999
fsGroup: 999
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "dataStores.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
readOnlyRootFilesystem: true
{{- end }}

{{- /* [context, settings of the part] */}}
{{- define "dataStores.claim" -}}
volumeClaimTemplates:
  - metadata: {name: data}
    spec:
      accessModes: [ReadWriteOnce]
      {{- with (index . 0).Values.storageClassName }}
      storageClassName: {{ . }}
      {{- end }}
      resources:
        requests: {storage: {{ (index . 1).storage }}}
{{- end }}

{{- /* [context, name, component, ports] */}}
{{- define "dataStores.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ index . 1 }}
  labels:
    {{- include "dataStores.labels" . | nindent 4 }}
spec:
  clusterIP: None
  ports:
    {{- toYaml (index . 3) | nindent 4 }}
  selector:
    {{- include "dataStores.selectorLabels" . | nindent 4 }}
{{- end }}
