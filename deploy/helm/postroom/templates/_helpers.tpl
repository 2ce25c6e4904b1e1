{{/* Names, labels and checks that every template uses. */}}

{{- define "postroom.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "postroom.services" -}}
{{- list "ingest" "router" "assigner" "notifier" "analytics" "desk" | toJson }}
{{- end }}

{{/* The services, and the probe if it is wanted. */}}
{{- define "postroom.programs" -}}
{{- $services := include "postroom.services" . | fromJsonArray }}
{{- ternary (append $services "probe") $services .Values.probe.enabled | toJson }}
{{- end }}

{{/* What a selector asks for: never changes between releases. Takes (dict "root" $ "component" name). */}}
{{- define "postroom.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "postroom.labels" -}}
{{ include "postroom.selector" . }}
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: postroom
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* Resources of the whole release, such as the network policy that denies all. */}}
{{- define "postroom.commonLabels" -}}
{{ include "postroom.labels" (dict "root" . "component" "common") }}
{{- end }}

{{/* The image of one service; ingest has its own, for its licence. */}}
{{- define "postroom.image" -}}
{{- $image := .root.Values.image }}
{{- $ingest := eq .component "ingest" }}
{{- $name := ternary ($image.ingestRepository | default (printf "%s-ingest" $image.repository)) $image.repository $ingest }}
{{- $digest := ternary $image.ingestDigest $image.digest $ingest }}
{{- printf "%s:%s" $name ($image.tag | default .root.Chart.AppVersion) }}{{ with $digest }}@{{ . }}{{ end }}
{{- end }}

{{/* Ends with what is missing, in words; everything that the schema cannot say because it concerns several values. */}}
{{- define "postroom.check" -}}
{{- $v := .Values }}
{{- if not $v.image.repository }}
{{- $tag := $v.image.tag | default .Chart.AppVersion }}
{{- fail (printf "\n\nimage.repository is not set, and Postroom has no public image. In a checkout, with REPO a name in your registry:\n\n  docker build --target postroom -t REPO:%s .\n  docker build --target postroom-ingest -t REPO-ingest:%s .\n  docker push REPO:%s && docker push REPO-ingest:%s\n\nor, without a registry, REPO=postroom and `kind load docker-image postroom:%s postroom-ingest:%s` (minikube: `minikube image load`).\nThen: --set image.repository=REPO\n" $tag $tag $tag $tag $tag $tag) }}
{{- end }}
{{- if not $v.kafka.bootstrap }}{{ fail "kafka.bootstrap is not set: host:port of your brokers" }}{{ end }}
{{- if not $v.deskUrl }}{{ fail "deskUrl is not set: where agents open the desk, such as https://desk.example.com; links in mail begin so" }}{{ end }}
{{- range $path, $name := dict "mongodb.existingSecret" $v.mongodb.existingSecret "secrets.signingKeys.existingSecret" $v.secrets.signingKeys.existingSecret }}
{{- if not $name }}{{ fail (printf "%s is not set: the name of a secret that is there already (docs/operations/install.md)" $path) }}{{ end }}
{{- end }}
{{- if and $v.probe.enabled (not $v.probe.token.existingSecret) }}{{ fail "probe.token.existingSecret is not set: a token of the desk's API that may read every inbox (docs/operations/watching.md)" }}{{ end }}
{{- $sasl := hasPrefix "SASL" $v.kafka.security }}
{{- $oauth := and $sasl (eq $v.kafka.sasl.mechanism "OAUTHBEARER") }}
{{- $own := $v.kafka.users.perService }}
{{- if and $own (or $oauth (not (or $sasl (eq $v.kafka.security "SSL")))) }}
{{- fail "kafka.users.perService gives each service a user with a password (SASL, SCRAM or PLAIN) or a certificate (SSL); with kafka.oauth.serviceAccountToken each has a user of its own without it" }}
{{- end }}
{{- with $v.kafka.users.strimzi }}{{ if .enabled }}
{{- if not .cluster }}{{ fail "kafka.users.strimzi.cluster is not set: the name of the Kafka resource" }}{{ end }}
{{- if not $own }}{{ fail "kafka.users.strimzi makes a user for each service: set kafka.users.perService, else none of them is used" }}{{ end }}
{{- end }}{{ end }}
{{- if and $sasl (not $oauth) (not $own) (not $v.kafka.sasl.existingSecret) }}
{{- fail (printf "kafka.security is %s: kafka.sasl.existingSecret names the secret with user and password" $v.kafka.security) }}
{{- end }}
{{- if and $oauth (not $v.kafka.oauth.serviceAccountToken.enabled) (not (and $v.kafka.oauth.tokenUrl $v.kafka.oauth.clientId $v.kafka.oauth.existingSecret)) }}
{{- fail "OAUTHBEARER needs kafka.oauth.tokenUrl, clientId and existingSecret, or kafka.oauth.serviceAccountToken.enabled" }}
{{- end }}
{{- if and $v.configuration.company $v.configuration.existingConfigMap }}
{{- fail "configuration.company and configuration.existingConfigMap are both set: the company is in one of them" }}
{{- end }}
{{- if and $v.configuration.apply (not $v.configuration.company) (not $v.configuration.existingConfigMap) }}
{{- fail "no company: set configuration.company or configuration.existingConfigMap, or configuration.apply=false if you run `postroom config apply` yourself" }}
{{- end }}
{{- if and $v.topics.strimzi.enabled (not $v.topics.strimzi.cluster) }}{{ fail "topics.strimzi.cluster is not set: the name of the Kafka resource" }}{{ end }}
{{- if gt (int $v.pods.gracefulTimeoutSeconds) (sub (int $v.pods.terminationGracePeriodSeconds) 80) }}
{{- fail "pods.terminationGracePeriodSeconds must be at least pods.gracefulTimeoutSeconds + 80: a pod is killed with its batch otherwise" }}
{{- end }}
{{- if ne $v.autoscaling.mode "none" }}
{{- range $name, $service := $v.services }}
{{- with $service.autoscaling }}
{{- if gt (int .max) (int $v.partitions) }}{{ fail (printf "services.%s.autoscaling.max is %d and there are %d partitions: more replicas than partitions do nothing" $name (int .max) (int $v.partitions)) }}{{ end }}
{{- if gt (int .min) (int .max) }}{{ fail (printf "services.%s.autoscaling.min is above max" $name) }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name := list "ingest" "desk" }}
{{- with (index $v.services $name).ingress }}
{{- if and .enabled (not .host) }}{{ fail (printf "services.%s.ingress.host is not set" $name) }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
