{{- define "c2c.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-c2c{{ end }}
{{- end }}

{{- /* What a role's objects are selected by: never changed while they exist. */ -}}
{{- define "c2c.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end }}

{{- define "c2c.labels" -}}
{{ include "c2c.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "c2c.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- define "c2c.configMap" -}}
{{ .Values.existingConfigMap | default (printf "%s-config" (include "c2c.name" .)) }}
{{- end }}

{{- define "c2c.publicUrl" -}}
{{- if .Values.web.publicUrl }}{{ .Values.web.publicUrl }}{{ else if .Values.ingress.host }}https://{{ .Values.ingress.host }}{{ end }}
{{- end }}

{{- define "c2c.health" -}}
{{- if eq .role "web" -}}
livenessProbe: {httpGet: {path: /health, port: http}, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6}
readinessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 10, timeoutSeconds: 5}
{{- else -}}
{{- /* Live: its event loop turns. Ready: it polls, after its replay check. Neither asks Odoo. */ -}}
startupProbe: {httpGet: {path: /live, port: health}, periodSeconds: 2, failureThreshold: 60}
livenessProbe: {httpGet: {path: /live, port: health}, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6}
readinessProbe: {httpGet: {path: /ready, port: health}, periodSeconds: 5, timeoutSeconds: 5}
{{- end }}
{{- end }}

{{- /* The environment of every process. */ -}}
{{- define "c2c.environment" -}}
- {name: C2C_CONFIG, value: /etc/c2c/c2c.toml}
- {name: C2C_ODOO__API_KEY_FILE, value: /run/secrets/odoo/api-key}
- {name: C2C_TELEMETRY__LOGS, value: json}
{{- if not (and .root.Values.workerController.enabled (hasKey .root.Values.workers .role)) }}
{{- /* Else the Worker Controller says where Temporal is. */}}
- {name: TEMPORAL_ADDRESS, value: {{ .root.Values.temporal.address | quote }}}
- {name: TEMPORAL_NAMESPACE, value: {{ .root.Values.temporal.namespace | quote }}}
{{- with .root.Values.temporal.apiKeySecret }}
- {name: TEMPORAL_API_KEY, valueFrom: {secretKeyRef: {name: {{ . }}, key: api-key}}}
{{- end }}
{{- if .root.Values.temporal.tlsSecret }}
- {name: TEMPORAL_TLS, value: "true"}
- {name: TEMPORAL_TLS_CLIENT_CERT_PATH, value: /run/secrets/temporal/tls.crt}
- {name: TEMPORAL_TLS_CLIENT_KEY_PATH, value: /run/secrets/temporal/tls.key}
- {name: TEMPORAL_TLS_SERVER_CA_CERT_PATH, value: /run/secrets/temporal/ca.crt}
{{- end }}
{{- with .root.Values.temporal.tlsServerName }}
- {name: TEMPORAL_TLS_SERVER_NAME, value: {{ . | quote }}}
{{- end }}
{{- end }}
{{- if or .root.Values.ca.configMap .root.Values.ca.secret }}
- {name: SSL_CERT_FILE, value: /etc/c2c-ca/ca.crt}
{{- end }}
{{- if eq .role "web" }}
- {name: C2C_WEB__HOST, value: 0.0.0.0}
- {name: C2C_WEB__PORT, value: "8400"}
- {name: C2C_WEB__TLS_IN_FRONT, value: "true"}
- {name: C2C_WEB__PUBLIC_URL, value: {{ include "c2c.publicUrl" .root | quote }}}
{{- else if ne .role "setup" }}
- {name: C2C_WORKER__HEALTH, value: "0.0.0.0:8401"}
- {name: C2C_TELEMETRY__BUSINESS_PROMETHEUS, value: "0.0.0.0:8401"}
- {name: C2C_TELEMETRY__PROMETHEUS, value: "0.0.0.0:9464"}
{{- end }}
{{- with .root.Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "c2c.mounts" -}}
- {name: config, mountPath: /etc/c2c, readOnly: true}
- {name: odoo, mountPath: /run/secrets/odoo, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- if .Values.temporal.tlsSecret }}
- {name: temporal, mountPath: /run/secrets/temporal, readOnly: true}
{{- end }}
{{- if or .Values.ca.configMap .Values.ca.secret }}
- {name: ca, mountPath: /etc/c2c-ca, readOnly: true}
{{- end }}
{{- range .Values.secretFiles }}
- {name: files-{{ .folder }}, mountPath: /run/secrets/{{ .folder }}, readOnly: true}
{{- end }}
{{- if .Values.records.existingClaim }}
- {name: records, mountPath: /var/lib/c2c}
{{- end }}
{{- end }}

{{- define "c2c.volumes" -}}
- name: config
  configMap: {name: {{ .configMap }}}
- name: odoo
  secret: {secretName: {{ .root.Values.odoo.apiKeySecret }}, defaultMode: 288}
- name: tmp
  emptyDir: {sizeLimit: 1Gi}
{{- with .root.Values.temporal.tlsSecret }}
- name: temporal
  secret: {secretName: {{ . }}, defaultMode: 288}
{{- end }}
{{- with .root.Values.ca.configMap }}
- name: ca
  configMap: {name: {{ . }}}
{{- end }}
{{- with .root.Values.ca.secret }}
- name: ca
  secret: {secretName: {{ . }}}
{{- end }}
{{- range .root.Values.secretFiles }}
- name: files-{{ .folder }}
  secret: {secretName: {{ .secret }}, defaultMode: 288}
{{- end }}
{{- with .root.Values.records.existingClaim }}
- name: records
  persistentVolumeClaim: {claimName: {{ . }}}
{{- end }}
{{- end }}

{{- /* The pod of a role: root, role, command, resources, configMap. */ -}}
{{- define "c2c.pod" -}}
metadata:
  labels:
    {{- include "c2c.labels" . | nindent 4 }}
    {{- with .root.Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/config: {{ .root.Values.config | sha256sum }}
    {{- with .root.Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .root.Values.terminationGracePeriodSeconds }}
  {{- if eq .role "setup" }}
  restartPolicy: Never
  {{- end }}
  {{- with .root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    seccompProfile: {type: RuntimeDefault}
  {{- if ne .role "setup" }}
  # Apart where that is possible: a machine that goes takes no role with it.
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "c2c.selector" . | nindent 10 }}
  {{- end }}
  {{- with .root.Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .root.Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: c2c
      image: {{ include "c2c.image" .root }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args:
        {{- toYaml .command | nindent 8 }}
      env:
        {{- include "c2c.environment" . | nindent 8 }}
      {{- if eq .role "web" }}
      ports:
        - {name: http, containerPort: 8400}
      {{- else if ne .role "setup" }}
      ports:
        - {name: health, containerPort: 8401}
        - {name: metrics, containerPort: 9464}
      {{- end }}
      {{- if ne .role "setup" }}
      {{- include "c2c.health" . | nindent 6 }}
      {{- end }}
      resources:
        {{- toYaml .resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      volumeMounts:
        {{- include "c2c.mounts" .root | nindent 8 }}
  volumes:
    {{- include "c2c.volumes" . | nindent 4 }}
{{- end }}
