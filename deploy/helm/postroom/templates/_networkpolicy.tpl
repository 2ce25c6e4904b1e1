{{- define "postroom.instance" -}}
{{ dict "app.kubernetes.io/name" .Chart.Name "app.kubernetes.io/instance" .Release.Name | toJson }}
{{- end }}

{{- define "postroom.peer" -}}
{{ dict "podSelector" (dict "matchLabels" (include "postroom.selector" . | fromYaml)) | toJson }}
{{- end }}

{{/* Ports of kafka.bootstrap, unless they are given: what brokers advertise may differ from it. */}}
{{- define "postroom.kafkaPorts" -}}
{{- $ports := .Values.networkPolicy.kafka.ports }}
{{- if not $ports }}
{{- range $server := splitList "," .Values.kafka.bootstrap }}{{ $ports = append $ports (splitList ":" $server | last | int) }}{{ end }}
{{- end }}
{{- $ports | uniq | toJson }}
{{- end }}

{{/* What every pod of ours needs, jobs too: names, Kafka, MongoDB; and Kafka's token endpoint. */}}
{{- define "postroom.storeRules" -}}
{{- $n := .Values.networkPolicy }}
{{- $rules := list (dict "to" $n.dns.to "ports" (list 53) "udp" true) (dict "to" $n.kafka.to "ports" (include "postroom.kafkaPorts" . | fromJsonArray)) (dict "to" $n.mongodb.to "ports" $n.mongodb.ports) }}
{{- if and (hasPrefix "SASL" .Values.kafka.security) .Values.kafka.oauth.tokenUrl }}
{{- $rules = append $rules (dict "to" $n.oauth.to "ports" $n.oauth.ports) }}
{{- end }}
{{- $rules | toJson }}
{{- end }}

{{- define "postroom.networkPorts" -}}
{{- $ports := list }}
{{- range .ports }}{{ $ports = append $ports (dict "protocol" "TCP" "port" (int .)) }}{{ end }}
{{- if .udp }}{{ range .ports }}{{ $ports = append $ports (dict "protocol" "UDP" "port" (int .)) }}{{ end }}{{ end }}
{{- $ports | toJson }}
{{- end }}

{{/* One policy. `of`: components. A `from` without peers lets nobody in (unless anyFrom); a `to` without peers is any address. */}}
{{- define "postroom.networkPolicy" }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "postroom.fullname" .root }}-{{ .name }}
  labels: {{- include "postroom.commonLabels" .root | nindent 4 }}
  {{- with .annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  podSelector:
    matchLabels: {{ include "postroom.instance" .root }}
    matchExpressions: [{ key: app.kubernetes.io/component, operator: In, values: {{ .of | toJson }} }]
  {{- if .ingress }}
  {{- $rules := list }}
  {{- range .ingress }}{{ if or .from $.anyFrom }}{{ $rules = append $rules . }}{{ end }}{{ end }}
  policyTypes: [Ingress]
  ingress: {{- if not $rules }} []{{ end }}
    {{- range $rules }}
    - ports: {{ include "postroom.networkPorts" . }}
      {{- with .from }}
      from: {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- end }}
  {{- else }}
  policyTypes: [Egress]
  egress:
    {{- range .egress }}
    - ports: {{ include "postroom.networkPorts" . }}
      {{- with .to }}
      to: {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- end }}
  {{- end }}
{{- end }}
