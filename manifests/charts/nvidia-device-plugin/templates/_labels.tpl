{{/* Labels every object carries. */}}
{{- define "nvidia-device-plugin.labels" -}}
{{ include "nvidia-device-plugin.selector" . }}
app.kubernetes.io/component: device-plugin
app.kubernetes.io/part-of: odin
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
{{- end }}

{{/* Labels that name the pods; they never change, because selectors cannot. */}}
{{- define "nvidia-device-plugin.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
