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
{{- else if and $v.kafka.sasl.user (not $v.kafka.users.perService) }}
POSTROOM_KAFKA_USER: {{ $v.kafka.sasl.user | quote }}
{{- end }}
{{- end }}
{{- if $v.kafka.ca.existingSecret }}
POSTROOM_KAFKA_CA_FILE: /etc/postroom/kafka-ca/ca.crt
{{- end }}
{{- if or $v.kafka.certificate.existingSecret (and $v.kafka.users.perService (eq $v.kafka.security "SSL")) }}
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

{{/* A component's own Kafka user, and the secret of the same name, as Strimzi makes it. */}}
{{- define "postroom.kafkaUser" -}}
{{ include "postroom.fullname" .root }}-{{ .component | replace "commands" "operator" }}
{{- end }}

{{/* What Kafka and MongoDB ask for; every pod has it. */}}
{{- define "postroom.connectionEnv" -}}
{{- $v := .root.Values }}{{ $own := $v.kafka.users.perService }}
{{- $secret := ternary (include "postroom.kafkaUser" .) $v.kafka.sasl.existingSecret $own }}
{{ include "postroom.secretEnv" (dict "name" "POSTROOM_MONGO_URI" "secret" $v.mongodb.existingSecret "key" $v.mongodb.uriKey) }}
{{- if $v.secrets.atRest.existingSecret }}
{{ include "postroom.secretEnv" (dict "name" "POSTROOM_SECRETS_KEY" "secret" $v.secrets.atRest.existingSecret "key" $v.secrets.atRest.key) }}
{{- end }}
{{- if hasPrefix "SASL" $v.kafka.security }}
{{- if ne $v.kafka.sasl.mechanism "OAUTHBEARER" }}
{{- if $own }}
- { name: POSTROOM_KAFKA_USER, value: {{ $secret | quote }} }
{{- else if not $v.kafka.sasl.user }}
{{ include "postroom.secretEnv" (dict "name" "POSTROOM_KAFKA_USER" "secret" $secret "key" $v.kafka.sasl.userKey) }}
{{- end }}
{{ include "postroom.secretEnv" (dict "name" "POSTROOM_KAFKA_PASSWORD" "secret" $secret "key" $v.kafka.sasl.passwordKey) }}
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
{{- $v := .root.Values }}
{{- $certificate := $v.kafka.certificate.existingSecret }}
{{- if $v.kafka.users.perService }}{{ $certificate = ternary (include "postroom.kafkaUser" .) "" (eq $v.kafka.security "SSL") }}{{ end }}
- name: tmp
  emptyDir: { sizeLimit: 256Mi }
{{- with $v.kafka.ca }}{{ if .existingSecret }}
{{ include "postroom.secretVolume" (dict "name" "kafka-ca" "secret" .existingSecret "items" (dict .key "ca.crt")) }}
{{- end }}{{ end }}
{{- with $v.kafka.certificate }}{{ if $certificate }}
{{ include "postroom.secretVolume" (dict "name" "kafka-certificate" "secret" $certificate "items" (dict .certificateKey "tls.crt" .keyKey "tls.key")) }}
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
{{- $v := .root.Values }}{{ $name := .component }}
{{- $service := eq $name "probe" | ternary $v.probe (index $v.services $name) }}
- { name: POSTROOM_HTTP_HOST, value: "0.0.0.0" }
- { name: POSTROOM_HTTP_PORT, value: "8080" }
{{- if or (has $name (list "router" "notifier" "desk" "probe" "commands")) (and $v.probe.enabled (eq $name "ingest")) }}
{{ include "postroom.secretEnv" (dict "name" "POSTROOM_SIGNING_KEYS" "secret" $v.secrets.signingKeys.existingSecret "key" $v.secrets.signingKeys.key) }}
{{- end }}
{{- if has $name (list "desk" "commands") }}
- { name: POSTROOM_PUBLIC_URL, value: {{ $v.deskUrl | quote }} }
{{- end }}
{{- if eq $name "desk" }}
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
{{- if eq $name "probe" }}
- { name: POSTROOM_PROBE_DESK_URL, value: {{ printf "http://%s-desk:8080" (include "postroom.fullname" .root) | quote }} }
{{ include "postroom.secretEnv" (dict "name" "POSTROOM_PROBE_TOKEN" "secret" $v.probe.token.existingSecret "key" $v.probe.token.key) }}
{{- end }}
{{- if and $v.secrets.tokenKeys.existingSecret (has $name (list "ingest" "notifier" "probe" "commands")) }}
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
{{- $v := .root.Values }}{{ $service := eq .component "probe" | ternary $v.probe (index $v.services .component) }}
{{- if and $v.secrets.accounts.existingSecret (has .component (list "ingest" "notifier" "probe" "commands")) }}
- name: accounts
  secret: { secretName: {{ $v.secrets.accounts.existingSecret | quote }}, defaultMode: 0440 }
{{- end }}
{{- with $service.door }}{{ if and .enabled .tlsSecret }}
{{ include "postroom.secretVolume" (dict "name" "door-tls" "secret" .tlsSecret "items" (dict "tls.crt" "tls.crt" "tls.key" "tls.key")) }}
{{- end }}{{ end }}
{{- end }}
