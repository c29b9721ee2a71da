{{- /*
A pod of `helm test`: dict "context", "name", "command" or "args" (YAML), and, if it connects to a database, "env" (YAML)
and "servers" (names of the values with the addresses).
*/}}
{{- define "common.test" -}}
{{- $c := .context -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ .name }}
  labels:
    {{- include "common.podLabels" (list $c "test") | nindent 4 }}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with include "common.pullSecrets" $c | trim }}{{ . | nindent 2 }}{{- end }}
  securityContext:
    {{- include "common.podSecurity" $c | nindent 4 }}
  containers:
    - name: test
      image: {{ include "common.image" $c }}
      imagePullPolicy: {{ include "common.pullPolicy" $c }}
      {{- with .command }}
      command:
        {{- . | nindent 8 }}
      {{- end }}
      {{- with .args }}
      args:
        {{- . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- include "common.containerSecurity" $c | nindent 8 }}
      {{- $servers := .servers | default list }}
      {{- with .env }}
      env:
        {{- . | nindent 8 }}
        {{- with include "common.authorityEnv" (list $c $servers) | trim }}
        {{- . | nindent 8 }}
        {{- end }}
      {{- end }}
      resources:
        requests: {cpu: 10m, memory: 64Mi, ephemeral-storage: 16Mi}
        limits: {memory: 256Mi, ephemeral-storage: 64Mi}
      {{- with include "common.authorityMounts" (list $c $servers) | trim }}
      volumeMounts:
        {{- . | nindent 8 }}
      {{- end }}
  {{- with include "common.authorityVolumes" (list $c $servers) | trim }}
  volumes:
    {{- . | nindent 4 }}
  {{- end }}
{{- end }}

{{- /* Tests that a service is ready: [context]. */}}
{{- define "common.readyTest" -}}
{{- $url := printf "http://%s:9000/health/ready" (include "common.name" .) }}
{{- $script := printf "import urllib.request as r; print(r.urlopen(%q, timeout=10).status)" $url }}
{{- include "common.test" (dict "context" . "name" (printf "%s-test" (include "common.name" .)) "command" (toYaml (list "python" "-c" $script))) }}
{{- end }}
