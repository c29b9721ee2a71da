{{- /*
A pod of `helm test`: dict "context", "name", "command" or "args" (YAML), and where it speaks to a database "env" (YAML)
and "servers" (names of the values that say where).
*/}}
{{- define "comum.test" -}}
{{- $c := .context -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ .name }}
  labels:
    {{- include "comum.podLabels" (list $c "test") | nindent 4 }}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with include "comum.pullSecrets" $c | trim }}{{ . | nindent 2 }}{{- end }}
  securityContext:
    {{- include "comum.podSecurity" $c | nindent 4 }}
  containers:
    - name: teste
      image: {{ include "comum.image" $c }}
      imagePullPolicy: {{ include "comum.pullPolicy" $c }}
      {{- with .command }}
      command:
        {{- . | nindent 8 }}
      {{- end }}
      {{- with .args }}
      args:
        {{- . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- include "comum.containerSecurity" $c | nindent 8 }}
      {{- $servers := .servers | default list }}
      {{- with .env }}
      env:
        {{- . | nindent 8 }}
        {{- with include "comum.authorityEnv" (list $c $servers) | trim }}
        {{- . | nindent 8 }}
        {{- end }}
      {{- end }}
      resources:
        requests: {cpu: 10m, memory: 64Mi, ephemeral-storage: 16Mi}
        limits: {memory: 256Mi, ephemeral-storage: 64Mi}
      {{- with include "comum.authorityMounts" (list $c $servers) | trim }}
      volumeMounts:
        {{- . | nindent 8 }}
      {{- end }}
  {{- with include "comum.authorityVolumes" (list $c $servers) | trim }}
  volumes:
    {{- . | nindent 4 }}
  {{- end }}
{{- end }}

{{- /* A service says that it is ready: [context]. */}}
{{- define "comum.readyTest" -}}
{{- $url := printf "http://%s:8000/health/ready" (include "comum.name" .) }}
{{- $script := printf "import urllib.request as r; print(r.urlopen(%q, timeout=10).status)" $url }}
{{- include "comum.test" (dict "context" . "name" (printf "%s-teste" (include "comum.name" .)) "command" (toYaml (list "python" "-c" $script))) }}
{{- end }}
