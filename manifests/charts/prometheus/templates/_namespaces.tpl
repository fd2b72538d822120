{{/*
Namespaces Prometheus discovers targets in, as a JSON list: its own, the node
exporter's, the API server's, CoreDNS', and those of annotated pods.
*/}}
{{- define "prometheus.namespaces" -}}
{{- concat (list .Release.Namespace "monitoring-host" "default" "kube-system") .Values.podNamespaces | uniq | sortAlpha | toJson -}}
{{- end }}
