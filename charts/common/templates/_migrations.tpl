{{- /* Waits until the database has every migration of this image. A later release's migrations do not disturb it. */}}
{{- define "common.awaitMigrations" -}}
- name: await-migrations
  image: {{ include "common.image" . }}
  imagePullPolicy: {{ include "common.pullPolicy" . }}
  command: [python, -m, reservaestoque.migrate, --wait, --migrations-dir, /app/db/migrations]
  securityContext:
    {{- include "common.containerSecurity" . | nindent 4 }}
  env:
    {{- include "common.secretEnv" (dict "name" "DATABASE_URL" "from" .Values.database) | nindent 4 }}
    {{- with include "common.authorityEnv" (list . (list "database")) | trim }}
    {{- . | nindent 4 }}
    {{- end }}
  resources:
    {{- toYaml .Values.migrations.resources | nindent 4 }}
  {{- with include "common.authorityMounts" (list . (list "database")) | trim }}
  volumeMounts:
    {{- . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "common.migrationsPod" -}}
metadata:
  labels:
    {{- include "common.podLabels" (list . "migrations") | nindent 4 }}
spec:
  restartPolicy: OnFailure
  serviceAccountName: {{ include "common.name" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with include "common.pullSecrets" . | trim }}{{ . | nindent 2 }}{{- end }}
  securityContext:
    {{- include "common.podSecurity" . | nindent 4 }}
  containers:
    - name: migrations
      image: {{ include "common.image" . }}
      imagePullPolicy: {{ include "common.pullPolicy" . }}
      command: [python, -m, reservaestoque.migrate, --migrations-dir, /app/db/migrations]
      securityContext:
        {{- include "common.containerSecurity" . | nindent 8 }}
      env:
        {{- include "common.secretEnv" (dict "name" "DATABASE_URL" "from" (.Values.migrations.database | default .Values.database)) | nindent 8 }}
        {{- with include "common.authorityEnv" (list . (list "database")) | trim }}
        {{- . | nindent 8 }}
        {{- end }}
      resources:
        {{- toYaml .Values.migrations.resources | nindent 8 }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        {{- with include "common.authorityMounts" (list . (list "database")) | trim }}
        {{- . | nindent 8 }}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir: {sizeLimit: 1Mi}
    {{- with include "common.authorityVolumes" (list . (list "database")) | trim }}
    {{- . | nindent 4 }}
    {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- /*
The migration Job. Not a hook: hooks run before a database of the same release exists, and block --wait. A Job is
immutable, so its name contains the schema version and a hash of the rest: a new image means a new Job. It alone connects
as the owner of the database, whose address `migrations.database` names; without that value, with the service's own.
*/}}
{{- define "common.migrations" -}}
{{- if .Values.migrations.enabled }}
{{- $pod := include "common.migrationsPod" . }}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "common.name" . }}-migrations-{{ .Values.migrations.version }}-{{ sha256sum $pod | trunc 8 }}
  labels:
    {{- include "common.labels" . | nindent 4 }}
    app.kubernetes.io/component: migrations
spec:
  backoffLimit: 100
  template:
    {{- $pod | nindent 4 }}
{{- end }}
{{- end }}
