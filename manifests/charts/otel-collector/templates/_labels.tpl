{{/* Labels every object carries. */}}
{{- define "otel-collector.labels" -}}
{{ include "otel-collector.selector" . }}
app.kubernetes.io/component: logs
app.kubernetes.io/part-of: odin
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
{{- end }}

{{/* Labels that name the pods; they never change, because selectors cannot. */}}
{{- define "otel-collector.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
