{{/* Labels every object carries. */}}
{{- define "dashboards.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: dashboards
app.kubernetes.io/part-of: odin
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}
