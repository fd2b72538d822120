{{/* Labels every object carries. */}}
{{- define "platform.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: platform
app.kubernetes.io/part-of: odin
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}
