{{- /*
The Deployment of one of our programs. A dict:
  context     the chart's own
  env         YAML: the variables that come from Secrets
  args        YAML: arguments of the program
  init        YAML: init containers
  component   its role in the system
  servers     names of the values with the addresses of its databases and broker
  token       whether it uses the Kubernetes API
*/}}
{{- define "common.deployment" -}}
{{- $c := .context -}}
{{- $v := $c.Values -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "common.name" $c }}
  labels:
    {{- include "common.labels" $c | nindent 4 }}
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
      {{- include "common.selectorLabels" $c | nindent 6 }}
      app.kubernetes.io/component: {{ .component }}
  template:
    metadata:
      labels:
        {{- include "common.podLabels" (list $c .component) | nindent 8 }}
        {{- with $v.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with $v.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "common.name" $c }}
      automountServiceAccountToken: {{ .token | default false }}
      enableServiceLinks: false
      {{- with include "common.pullSecrets" $c | trim }}{{ . | nindent 6 }}{{- end }}
      # Within 8 s of SIGTERM the programs answer the requests in flight. Until then they keep serving clients whose
      # DNS caches still list them.
      terminationGracePeriodSeconds: {{ add $v.preStopSeconds 15 }}
      securityContext:
        {{- include "common.podSecurity" $c | nindent 8 }}
      {{- with .init }}
      initContainers:
        {{- . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ include "common.name" $c }}
          image: {{ include "common.image" $c }}
          imagePullPolicy: {{ include "common.pullPolicy" $c }}
          {{- with $v.command }}
          command:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- with .args }}
          args:
            {{- . | nindent 12 }}
          {{- end }}
          securityContext:
            {{- include "common.containerSecurity" $c | nindent 12 }}
          env:
            {{- .env | nindent 12 }}
            {{- with include "common.authorityEnv" (list $c .servers) | trim }}
            {{- . | nindent 12 }}
            {{- end }}
            {{- include "common.settingsEnv" (list $c .component) | nindent 12 }}
          ports:
            {{- range include "common.ports" .component | fromYamlArray }}
            - {name: {{ .name }}, containerPort: {{ .port }}}
            {{- end }}
          {{- $probed := (include "common.ports" .component | fromYamlArray | first).name }}
          startupProbe:
            httpGet: {path: /health/live, port: {{ $probed }}}
            periodSeconds: 1
            failureThreshold: 60
          livenessProbe:
            httpGet: {path: /health/live, port: {{ $probed }}}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            httpGet: {path: /health/ready, port: {{ $probed }}}
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
            {{- with include "common.authorityMounts" (list $c .servers) | trim }}
            {{- . | nindent 12 }}
            {{- end }}
            {{- with $v.extraVolumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
      volumes:
        - name: tmp
          emptyDir: {sizeLimit: 64Mi}
        {{- with include "common.authorityVolumes" (list $c .servers) | trim }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with $v.extraVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- include "common.scheduling" (list $c .component) | trim | nindent 6 }}
{{- end }}

{{- /* Spreads replicas as far as capacity allows: [context, component]. */}}
{{- define "common.scheduling" -}}
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
  {{- $labels := printf "%s\napp.kubernetes.io/component: %s" (include "common.selectorLabels" (index . 0)) (index . 1) }}
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
{{- define "common.service" -}}
{{- $c := index . 0 -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "common.name" $c }}
  labels:
    {{- include "common.labels" $c | nindent 4 }}
    app.kubernetes.io/component: {{ index . 1 }}
spec:
  clusterIP: None
  ports:
    {{- range include "common.ports" (index . 1) | fromYamlArray }}
    - {name: {{ .name }}, port: {{ .port }}, targetPort: {{ .name }}}
    {{- end }}
  selector:
    {{- include "common.selectorLabels" $c | nindent 4 }}
    app.kubernetes.io/component: {{ index . 1 }}
{{- end }}
