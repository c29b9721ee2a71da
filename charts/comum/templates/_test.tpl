{{- /*
A pod of `helm test`: dict "context", "name", "env" (YAML, optional), and "command" or "args" (YAML).
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
      {{- with .env }}
      env:
        {{- . | nindent 8 }}
      {{- end }}
      resources:
        requests: {cpu: 10m, memory: 64Mi}
        limits: {memory: 256Mi}
{{- end }}

{{- /* A service says that it is ready: [context]. */}}
{{- define "comum.readyTest" -}}
{{- $url := printf "http://%s:8000/health/ready" (include "comum.name" .) }}
{{- $script := printf "import urllib.request as r; print(r.urlopen(%q, timeout=10).status)" $url }}
{{- include "comum.test" (dict "context" . "name" (printf "%s-teste" (include "comum.name" .)) "command" (toYaml (list "python" "-c" $script))) }}
{{- end }}
