{{/* Each change of a group's size stops the whole group for a rebalance: up by half at most once a minute, down by one after the cooldown. */}}
{{- define "postroom.scalingBehavior" -}}
scaleUp:
  stabilizationWindowSeconds: 60
  policies: [{ type: Percent, value: 50, periodSeconds: 60 }, { type: Pods, value: 1, periodSeconds: 60 }]
scaleDown:
  stabilizationWindowSeconds: {{ .Values.autoscaling.cooldownSeconds }}
  policies: [{ type: Pods, value: 1, periodSeconds: {{ .Values.autoscaling.cooldownSeconds }} }]
{{- end }}

{{/* What KEDA reads from secrets, in its own names (kafka scaler of 2.21). */}}
{{- define "postroom.kedaSecrets" -}}
{{- $k := .Values.kafka }}{{ $refs := list }}
{{- if hasPrefix "SASL" $k.security }}
{{- if eq $k.sasl.mechanism "OAUTHBEARER" }}
{{- if $k.oauth.serviceAccountToken.enabled }}{{ fail "autoscaling.mode keda cannot log in to Kafka by a service account's token: use hpa, or client credentials" }}{{ end }}
{{- $login := dict "username" "client-id" "password" $k.oauth.clientSecretKey "oauthTokenEndpointUri" "token-url" }}
{{- if $k.oauth.scope }}{{ $_ := set $login "scopes" "scopes" }}{{ end }}
{{- range $parameter, $key := $login }}
{{- $refs = append $refs (dict "parameter" $parameter "name" $k.oauth.existingSecret "key" $key) }}
{{- end }}
{{- else }}
{{- if and $k.users.perService (not $k.sasl.existingSecret) }}{{ fail "autoscaling.mode keda with kafka.users.perService: kafka.sasl.existingSecret holds user and password of KEDA itself (docs/operations/kafka-rights.md, scaler)" }}{{ end }}
{{- if $k.sasl.user }}{{ fail "autoscaling.mode keda reads the user from a secret: put it under kafka.sasl.userKey instead of kafka.sasl.user" }}{{ end }}
{{- range $parameter, $key := dict "username" $k.sasl.userKey "password" $k.sasl.passwordKey }}
{{- $refs = append $refs (dict "parameter" $parameter "name" $k.sasl.existingSecret "key" $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $k.users.perService (eq $k.security "SSL") (not $k.certificate.existingSecret) }}{{ fail "autoscaling.mode keda with kafka.users.perService: kafka.certificate.existingSecret holds the certificate of KEDA itself (docs/operations/kafka-rights.md, scaler)" }}{{ end }}
{{- if $k.ca.existingSecret }}{{ $refs = append $refs (dict "parameter" "ca" "name" $k.ca.existingSecret "key" $k.ca.key) }}{{ end }}
{{- if $k.certificate.existingSecret }}
{{- $refs = append $refs (dict "parameter" "cert" "name" $k.certificate.existingSecret "key" $k.certificate.certificateKey) }}
{{- $refs = append $refs (dict "parameter" "key" "name" $k.certificate.existingSecret "key" $k.certificate.keyKey) }}
{{- end }}
{{- $refs | toJson }}
{{- end }}
