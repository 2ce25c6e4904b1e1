{{/* The parts of a pod that services and jobs share. All take (dict "root" $ "component" name). */}}

{{- define "postroom.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "postroom.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{/* Settings that are no secrets, as text; the checksum of this starts pods anew. */}}
{{- define "postroom.settings" -}}
{{- $v := .Values }}
POSTROOM_KAFKA_BOOTSTRAP: {{ $v.kafka.bootstrap | quote }}
POSTROOM_KAFKA_SECURITY: {{ $v.kafka.security | quote }}
{{- if hasPrefix "SASL" $v.kafka.security }}
POSTROOM_KAFKA_SASL_MECHANISM: {{ $v.kafka.sasl.mechanism | quote }}
{{- if eq $v.kafka.sasl.mechanism "OAUTHBEARER" }}
{{- if $v.kafka.oauth.serviceAccountToken.enabled }}
POSTROOM_KAFKA_OAUTH_TOKEN_FILE: /etc/postroom/kafka-token/token
{{- else }}
POSTROOM_KAFKA_OAUTH_TOKEN_URL: {{ $v.kafka.oauth.tokenUrl | quote }}
POSTROOM_KAFKA_OAUTH_CLIENT_ID: {{ $v.kafka.oauth.clientId | quote }}
{{- with $v.kafka.oauth.scope }}
POSTROOM_KAFKA_OAUTH_SCOPE: {{ . | quote }}
{{- end }}
{{- if $v.kafka.oauth.ca.existingSecret }}
POSTROOM_KAFKA_OAUTH_CA_FILE: /etc/postroom/kafka-oauth-ca/ca.crt
{{- end }}
{{- end }}
{{- else if $v.kafka.sasl.user }}
POSTROOM_KAFKA_USER: {{ $v.kafka.sasl.user | quote }}
{{- end }}
{{- end }}
{{- if $v.kafka.ca.existingSecret }}
POSTROOM_KAFKA_CA_FILE: /etc/postroom/kafka-ca/ca.crt
{{- end }}
{{- if $v.kafka.certificate.existingSecret }}
POSTROOM_KAFKA_CERTIFICATE_FILE: /etc/postroom/kafka-certificate/tls.crt
POSTROOM_KAFKA_KEY_FILE: /etc/postroom/kafka-certificate/tls.key
{{- end }}
{{- if $v.mongodb.ca.existingSecret }}
POSTROOM_MONGO_CA_FILE: /etc/postroom/mongodb-ca/ca.crt
{{- end }}
{{- if $v.mongodb.certificate.existingSecret }}
POSTROOM_MONGO_CERTIFICATE_FILE: /etc/postroom/mongodb-certificate/tls.pem
{{- end }}
POSTROOM_TOPIC_PREFIX: {{ $v.topicPrefix | quote }}
POSTROOM_DATABASE_PREFIX: {{ $v.databasePrefix | quote }}
POSTROOM_PARTITIONS: {{ $v.partitions | toString | quote }}
POSTROOM_REPLICATION: {{ $v.replication | toString | quote }}
POSTROOM_LOG_LEVEL: {{ $v.logLevel | quote }}
POSTROOM_GRACEFUL_TIMEOUT_SECONDS: {{ $v.pods.gracefulTimeoutSeconds | toString | quote }}
POSTROOM_DESK_URL: {{ $v.deskUrl | quote }}
POSTROOM_ANALYTICS_URL: {{ printf "http://%s-analytics:8080" (include "postroom.fullname" .) | quote }}
POSTROOM_NOTIFIER_URL: {{ printf "http://%s-notifier:8080" (include "postroom.fullname" .) | quote }}
POSTROOM_ROUTER_URL: {{ printf "http://%s-router:8080" (include "postroom.fullname" .) | quote }}
{{- range $name, $value := $v.settings }}
POSTROOM_{{ $name }}: {{ $value | toString | quote }}
{{- end }}
{{- end }}

{{- define "postroom.secretEnv" -}}
- name: {{ .name }}
  valueFrom: { secretKeyRef: { name: {{ .secret | quote }}, key: {{ .key | quote }} } }
{{- end }}

{{/* What Kafka and MongoDB ask for; every pod has it. */}}
{{- define "postroom.connectionEnv" -}}
{{- $v := .Values }}
{{ include "postroom.secretEnv" (dict "name" "POSTROOM_MONGO_URI" "secret" $v.mongodb.existingSecret "key" $v.mongodb.uriKey) }}
{{- if hasPrefix "SASL" $v.kafka.security }}
{{- if ne $v.kafka.sasl.mechanism "OAUTHBEARER" }}
{{- if not $v.kafka.sasl.user }}
{{ include "postroom.secretEnv" (dict "name" "POSTROOM_KAFKA_USER" "secret" $v.kafka.sasl.existingSecret "key" $v.kafka.sasl.userKey) }}
{{- end }}
{{ include "postroom.secretEnv" (dict "name" "POSTROOM_KAFKA_PASSWORD" "secret" $v.kafka.sasl.existingSecret "key" $v.kafka.sasl.passwordKey) }}
{{- else if not $v.kafka.oauth.serviceAccountToken.enabled }}
{{ include "postroom.secretEnv" (dict "name" "POSTROOM_KAFKA_OAUTH_CLIENT_SECRET" "secret" $v.kafka.oauth.existingSecret "key" $v.kafka.oauth.clientSecretKey) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "postroom.secretVolume" -}}
- name: {{ .name }}
  secret:
    secretName: {{ .secret | quote }}
    defaultMode: 0440
    items:
    {{- range $key, $path := .items }}
      - { key: {{ $key | quote }}, path: {{ $path }} }
    {{- end }}
{{- end }}

{{/* Files of Kafka and MongoDB; each lies in /etc/postroom/NAME. */}}
{{- define "postroom.connectionVolumes" -}}
{{- $v := .Values }}
- name: tmp
  emptyDir: { sizeLimit: 256Mi }
{{- with $v.kafka.ca }}{{ if .existingSecret }}
{{ include "postroom.secretVolume" (dict "name" "kafka-ca" "secret" .existingSecret "items" (dict .key "ca.crt")) }}
{{- end }}{{ end }}
{{- with $v.kafka.certificate }}{{ if .existingSecret }}
{{ include "postroom.secretVolume" (dict "name" "kafka-certificate" "secret" .existingSecret "items" (dict .certificateKey "tls.crt" .keyKey "tls.key")) }}
{{- end }}{{ end }}
{{- with $v.kafka.oauth.ca }}{{ if .existingSecret }}
{{ include "postroom.secretVolume" (dict "name" "kafka-oauth-ca" "secret" .existingSecret "items" (dict .key "ca.crt")) }}
{{- end }}{{ end }}
{{- with $v.kafka.oauth.serviceAccountToken }}{{ if .enabled }}
- name: kafka-token
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken: { audience: {{ .audience | quote }}, expirationSeconds: {{ .expirationSeconds }}, path: token }
{{- end }}{{ end }}
{{- with $v.mongodb.ca }}{{ if .existingSecret }}
{{ include "postroom.secretVolume" (dict "name" "mongodb-ca" "secret" .existingSecret "items" (dict .key "ca.crt")) }}
{{- end }}{{ end }}
{{- with $v.mongodb.certificate }}{{ if .existingSecret }}
{{ include "postroom.secretVolume" (dict "name" "mongodb-certificate" "secret" .existingSecret "items" (dict .key "tls.pem")) }}
{{- end }}{{ end }}
{{- end }}

{{- define "postroom.connectionMounts" -}}
- { name: tmp, mountPath: /tmp }
{{- range (include "postroom.connectionVolumes" . | fromYamlArray) }}
{{- if ne .name "tmp" }}
- { name: {{ .name }}, mountPath: /etc/postroom/{{ .name }}, readOnly: true }
{{- end }}
{{- end }}
{{- end }}

{{/* What one service alone is told. */}}
{{- define "postroom.serviceEnv" -}}
{{- $v := .root.Values }}{{ $name := .component }}{{ $service := index $v.services $name }}
- { name: POSTROOM_HTTP_HOST, value: "0.0.0.0" }
- { name: POSTROOM_HTTP_PORT, value: "8080" }
{{- if has $name (list "router" "notifier" "desk") }}
{{ include "postroom.secretEnv" (dict "name" "POSTROOM_SIGNING_KEYS" "secret" $v.secrets.signingKeys.existingSecret "key" $v.secrets.signingKeys.key) }}
{{- end }}
{{- if eq $name "desk" }}
- { name: POSTROOM_PUBLIC_URL, value: {{ $v.deskUrl | quote }} }
{{- with $service.trustedProxies }}
- { name: FORWARDED_ALLOW_IPS, value: {{ . | quote }} }
{{- end }}
{{- if $v.secrets.apiTokens.existingSecret }}
{{ include "postroom.secretEnv" (dict "name" "POSTROOM_API_TOKENS" "secret" $v.secrets.apiTokens.existingSecret "key" $v.secrets.apiTokens.key) }}
{{- end }}
{{- if $v.secrets.oidcClient.existingSecret }}
{{ include "postroom.secretEnv" (dict "name" "POSTROOM_OIDC_CLIENT_SECRET" "secret" $v.secrets.oidcClient.existingSecret "key" $v.secrets.oidcClient.key) }}
{{- end }}
{{- end }}
{{- if and $v.secrets.tokenKeys.existingSecret (has $name (list "ingest" "notifier")) }}
{{ include "postroom.secretEnv" (dict "name" "POSTROOM_TOKEN_KEYS" "secret" $v.secrets.tokenKeys.existingSecret "key" $v.secrets.tokenKeys.key) }}
{{- end }}
{{- with $service.door }}{{ if .enabled }}
- { name: POSTROOM_DOOR_HOST, value: "0.0.0.0" }
- { name: POSTROOM_DOOR_SMTP_PORT, value: {{ .smtpPort | toString | quote }} }
{{- if .lmtpPort }}
- { name: POSTROOM_DOOR_LMTP_PORT, value: {{ .lmtpPort | toString | quote }} }
{{- end }}
- { name: POSTROOM_DOOR_NETWORKS, value: {{ .networks | quote }} }
{{- with .name }}
- { name: POSTROOM_DOOR_NAME, value: {{ . | quote }} }
{{- end }}
{{- if .tlsSecret }}
- { name: POSTROOM_DOOR_TLS_CERTIFICATE_FILE, value: /etc/postroom/door-tls/tls.crt }
- { name: POSTROOM_DOOR_TLS_KEY_FILE, value: /etc/postroom/door-tls/tls.key }
- { name: POSTROOM_DOOR_TLS_REQUIRED, value: {{ .tlsRequired | toString | quote }} }
{{- end }}
{{- end }}{{ end }}
{{- range $key, $value := $service.settings }}
- { name: POSTROOM_{{ $key }}, value: {{ $value | toString | quote }} }
{{- end }}
{{- end }}

{{- define "postroom.serviceVolumes" -}}
{{- $v := .root.Values }}{{ $service := index $v.services .component }}
{{- if and $v.secrets.accounts.existingSecret (has .component (list "ingest" "notifier")) }}
- name: accounts
  secret: { secretName: {{ $v.secrets.accounts.existingSecret | quote }}, defaultMode: 0440 }
{{- end }}
{{- with $service.door }}{{ if and .enabled .tlsSecret }}
{{ include "postroom.secretVolume" (dict "name" "door-tls" "secret" .tlsSecret "items" (dict "tls.crt" "tls.crt" "tls.key" "tls.key")) }}
{{- end }}{{ end }}
{{- end }}
