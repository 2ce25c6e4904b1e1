{{/* One step of the Job: the image of ingest, because it holds all six services. */}}
{{- define "postroom.jobStep" -}}
- name: {{ .step.name }}
  image: {{ include "postroom.image" (dict "root" .root "component" "ingest") | quote }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  args: {{ .step.args | toJson }}
  securityContext: {{- include "postroom.containerSecurity" . | nindent 4 }}
  envFrom:
    - configMapRef: { name: {{ .settings }} }
  env:
    {{- include "postroom.connectionEnv" (dict "root" .root "component" "configure") | nindent 4 }}
  resources: {{- toYaml .root.Values.jobs.resources | nindent 4 }}
  volumeMounts:
    {{- include "postroom.connectionMounts" (dict "root" .root "component" "configure") | nindent 4 }}
    {{- if .company }}
    - { name: company, mountPath: /etc/postroom/company, readOnly: true }
    {{- end }}
{{- end }}
