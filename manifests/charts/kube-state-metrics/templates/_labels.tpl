{{/* Labels every object carries. */}}
{{- define "kube-state-metrics.labels" -}}
{{ include "kube-state-metrics.selector" . }}
app.kubernetes.io/component: metrics
app.kubernetes.io/part-of: odin
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
{{- end }}

{{/* Labels that name the pods; they never change, because selectors cannot. */}}
{{- define "kube-state-metrics.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The kinds as one list, in the order that is always the same. */}}
{{- define "kube-state-metrics.kinds" -}}
{{- $all := list -}}
{{- range .Values.kinds }}{{ $all = concat $all . }}{{ end -}}
{{- $all | sortAlpha | join "," -}}
{{- end }}
