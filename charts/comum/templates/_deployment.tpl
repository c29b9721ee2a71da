{{- /*
The Deployment of one of our programs. A dict:
  context     the chart's own
  env         YAML: the variables that come from Secrets
  args        YAML: arguments of the program
  init        YAML: init containers
  component   what it is in the system
  servers     names of the values that say where its databases and its broker are
  token       whether it talks to the Kubernetes API
*/}}
{{- define "comum.deployment" -}}
{{- $c := .context -}}
{{- $v := $c.Values -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "comum.name" $c }}
  labels:
    {{- include "comum.labels" $c | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
spec:
  {{- if not (dig "enabled" false ($v.autoscaling | default dict)) }}
  replicas: {{ $v.replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  {{- with $v.minReadySeconds }}
  minReadySeconds: {{ . }}
  {{- end }}
  strategy:
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
  selector:
    matchLabels:
      {{- include "comum.selectorLabels" $c | nindent 6 }}
      app.kubernetes.io/component: {{ .component }}
  template:
    metadata:
      labels:
        {{- include "comum.podLabels" (list $c .component) | nindent 8 }}
        {{- with $v.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with $v.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "comum.name" $c }}
      automountServiceAccountToken: {{ .token | default false }}
      enableServiceLinks: false
      {{- with include "comum.pullSecrets" $c | trim }}{{ . | nindent 6 }}{{- end }}
      # The programs answer what is under way within 8 s of SIGTERM; before it they go on serving for those who
      # have not noticed yet that DNS no longer names them.
      terminationGracePeriodSeconds: {{ add $v.preStopSeconds 15 }}
      securityContext:
        {{- include "comum.podSecurity" $c | nindent 8 }}
      {{- with .init }}
      initContainers:
        {{- . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ include "comum.name" $c }}
          image: {{ include "comum.image" $c }}
          imagePullPolicy: {{ include "comum.pullPolicy" $c }}
          {{- with $v.command }}
          command:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- with .args }}
          args:
            {{- . | nindent 12 }}
          {{- end }}
          securityContext:
            {{- include "comum.containerSecurity" $c | nindent 12 }}
          env:
            {{- .env | nindent 12 }}
            {{- with include "comum.authorityEnv" (list $c .servers) | trim }}
            {{- . | nindent 12 }}
            {{- end }}
            {{- include "comum.settingsEnv" $c | nindent 12 }}
          ports:
            - {name: http, containerPort: 8000}
          startupProbe:
            httpGet: {path: /health/live, port: http}
            periodSeconds: 1
            failureThreshold: 60
          livenessProbe:
            httpGet: {path: /health/live, port: http}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            httpGet: {path: /health/ready, port: http}
            periodSeconds: 2
            timeoutSeconds: 3
            failureThreshold: 2
          {{- if gt (int $v.preStopSeconds) 0 }}
          lifecycle:
            preStop:
              sleep: {seconds: {{ $v.preStopSeconds }}}
          {{- end }}
          resources:
            {{- toYaml $v.resources | nindent 12 }}
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
            {{- with include "comum.authorityMounts" (list $c .servers) | trim }}
            {{- . | nindent 12 }}
            {{- end }}
            {{- with $v.extraVolumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
      volumes:
        - name: tmp
          emptyDir: {sizeLimit: 64Mi}
        {{- with include "comum.authorityVolumes" (list $c .servers) | trim }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with $v.extraVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- include "comum.scheduling" (list $c .component) | trim | nindent 6 }}
{{- end }}

{{- /* Replicas apart from one another, as far as there is room: [context, component]. */}}
{{- define "comum.scheduling" -}}
{{- $v := (index . 0).Values -}}
{{- with $v.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $v.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  {{- if $v.topologySpreadConstraints }}
  {{- toYaml $v.topologySpreadConstraints | nindent 2 }}
  {{- else }}
  {{- $labels := printf "%s\napp.kubernetes.io/component: %s" (include "comum.selectorLabels" (index . 0)) (index . 1) }}
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- $labels | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
  {{- end }}
{{- end }}

{{- /* The headless Service whose name resolves to every ready pod: [context, component]. */}}
{{- define "comum.service" -}}
{{- $c := index . 0 -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "comum.name" $c }}
  labels:
    {{- include "comum.labels" $c | nindent 4 }}
    app.kubernetes.io/component: {{ index . 1 }}
spec:
  clusterIP: None
  ports:
    - {name: http, port: 8000, targetPort: http}
  selector:
    {{- include "comum.selectorLabels" $c | nindent 4 }}
    app.kubernetes.io/component: {{ index . 1 }}
{{- end }}
