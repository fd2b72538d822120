{{/*
prometheus.yml. Every kind of target is a job of its own, so that a missing one
is seen by its name (rules/targets.yaml names them all).
*/}}
{{- define "prometheus.config" -}}
global:
  scrape_interval: {{ .Values.scrape.interval }}
  scrape_timeout: {{ .Values.scrape.timeout }}
  evaluation_interval: {{ .Values.scrape.evaluation }}
  external_labels:
    cluster: {{ .Values.clusterName | quote }}

storage:
  tsdb:
    retention:
      time: {{ .Values.retention.time }}
      size: {{ .Values.retention.size }}

rule_files:
  - /etc/prometheus/rules/*.yaml
  # Rules of the box' owner, from the ConfigMap prometheus-local-rules.
  - /etc/prometheus/local-rules/*.yaml

alerting:
  alertmanagers:
    - kubernetes_sd_configs:
        - role: endpointslice
          namespaces:
            names: [{{ .Release.Namespace }}]
      relabel_configs:
        {{- include "prometheus.keepService" (list "alertmanager" "http") | nindent 8 }}

scrape_configs:
  - job_name: prometheus
    static_configs:
      - targets: ["localhost:9090"]

  - job_name: alertmanager
    scrape_interval: {{ .Values.scrape.stackInterval }}
    kubernetes_sd_configs:
      - role: endpointslice
        namespaces:
          names: [{{ .Release.Namespace }}]
    relabel_configs:
      {{- include "prometheus.keepService" (list "alertmanager" "http") | nindent 6 }}
      {{- include "prometheus.podLabels" . | nindent 6 }}

  - job_name: node-exporter
    scrape_interval: {{ .Values.scrape.stackInterval }}
    kubernetes_sd_configs:
      - role: endpointslice
        namespaces:
          names: [monitoring-host]
    relabel_configs:
      {{- include "prometheus.keepService" (list "node-exporter" "metrics") | nindent 6 }}
      # A node is called by its name: its address may change.
      - source_labels: [__meta_kubernetes_pod_node_name]
        target_label: instance
      # Of the target alone, so that an alert that it is down names the pod. Its
      # series speak of the node, and go on when the pod is another one.
      {{- include "prometheus.podLabels" . | nindent 6 }}
    metric_relabel_configs:
      - action: labeldrop
        regex: namespace|pod

  - job_name: loki
    scrape_interval: {{ .Values.scrape.stackInterval }}
    kubernetes_sd_configs:
      - role: endpointslice
        namespaces:
          names: [{{ .Release.Namespace }}]
    relabel_configs:
      {{- include "prometheus.keepService" (list "loki" "http") | nindent 6 }}
      {{- include "prometheus.podLabels" . | nindent 6 }}
    metric_relabel_configs:
      # Its parts' talk with each other inside the process, and latencies of every
      # route in a score of buckets each.
      - source_labels: [__name__]
        action: drop
        regex: (loki_(bloom|dataobj|ingest_limits|kafka|pattern|partition|tcp)_.+|(cortex|deprecated_flags|memberlist|go_sched|go_gc)_.+|loki_(chunk_store|ingester_client|index_request|inflight|kv_request|logql_querystats|querier_index|distributor_push_structured|ring).*_bucket)

  - job_name: otel-collector
    scrape_interval: {{ .Values.scrape.stackInterval }}
    kubernetes_sd_configs:
      - role: endpointslice
        namespaces:
          names: [monitoring-host]
    relabel_configs:
      {{- include "prometheus.keepService" (list "otel-collector" "metrics") | nindent 6 }}
      - source_labels: [__meta_kubernetes_pod_node_name]
        target_label: instance
      {{- include "prometheus.podLabels" . | nindent 6 }}

  # `odin gpu serve` is a unit of the host and no pod, so its nodes are found, not
  # its endpoints: those that say they have GPUs. Its own labels `namespace` and
  # `pod` tell who has a GPU, and no label of the target takes their place.
  - job_name: gpu
    scrape_interval: {{ .Values.scrape.stackInterval }}
    kubernetes_sd_configs:
      - role: node
    relabel_configs:
      - source_labels: [__meta_kubernetes_node_label_nvidia_com_gpu_present]
        action: keep
        regex: "true"
      - source_labels: [__meta_kubernetes_node_address_InternalIP]
        target_label: __address__
        replacement: $1:{{ .Values.gpu.port }}
      - source_labels: [__meta_kubernetes_node_name]
        target_label: instance

  # The supervisor of a node that has its API on. Where it listens, its token and
  # its authority's certificate come with one Secret, which the supervisor makes:
  # without it there is no target, and nothing is missing.
  - job_name: odin
    scheme: https
    authorization:
      credentials_file: {{ include "prometheus.odin" . }}/token
    tls_config:
      ca_file: {{ include "prometheus.odin" . }}/ca.crt
      server_name: odin
    file_sd_configs:
      - files: [{{ include "prometheus.odin" . }}/targets.json]
        refresh_interval: 1m

  # One endpoint for the control plane. In K3s all its parts are one process with
  # one registry, and each of its ports answers with the same series; `keep` below
  # takes each family from one job only.
  - job_name: apiserver
    scrape_interval: {{ .Values.scrape.apiserverInterval }}
    scrape_timeout: {{ .Values.scrape.slowTimeout }}
    scheme: https
    authorization:
      credentials_file: /var/run/secrets/kubernetes.io/serviceaccount/token
    tls_config:
      ca_file: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt
      server_name: kubernetes.default.svc
    kubernetes_sd_configs:
      - role: endpointslice
        namespaces:
          names: [default]
    relabel_configs:
      {{- include "prometheus.keepService" (list "kubernetes" "https") | nindent 6 }}
    metric_relabel_configs:
      - source_labels: [__name__]
        action: keep
        regex: (apiserver|apiextensions|etcd|k3s|kine|kubernetes_build|process|rest_client|scheduler|workqueue)_.+
      # Latencies by resource in forty buckets each: more series than all else
      # together, and no rule or panel reads them.
      - source_labels: [__name__]
        action: drop
        regex: (apiserver_(request_body_size_bytes|request_sli_duration_seconds|response_sizes|watch_.+)|etcd_request_duration_seconds|rest_client_(rate_limiter|request_size|response_size).*|workqueue_.+)_bucket

  - job_name: kubelet
    scheme: https
    authorization:
      credentials_file: /var/run/secrets/kubernetes.io/serviceaccount/token
    tls_config:
      # K3s signs the kubelet's serving certificate with the cluster's own CA.
      ca_file: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt
    kubernetes_sd_configs:
      - role: node
    relabel_configs:
      - source_labels: [__meta_kubernetes_node_name]
        target_label: instance
    metric_relabel_configs:
      - source_labels: [__name__]
        action: keep
        regex: (kubelet|kubeproxy|storage_operation|volume_manager)_.+

  - job_name: cadvisor
    scrape_timeout: {{ .Values.scrape.slowTimeout }}
    scheme: https
    metrics_path: /metrics/cadvisor
    # cAdvisor stamps its samples with the time of its own collection; kept, a
    # series of a pod that is gone would live on for five minutes.
    honor_timestamps: false
    authorization:
      credentials_file: /var/run/secrets/kubernetes.io/serviceaccount/token
    tls_config:
      ca_file: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt
    kubernetes_sd_configs:
      - role: node
    relabel_configs:
      - source_labels: [__meta_kubernetes_node_name]
        target_label: instance
    metric_relabel_configs:
      # Slices of systemd repeat what the node exporter says of the host.
      - source_labels: [__name__, pod]
        action: drop
        regex: container_.+;
      - source_labels: [__name__]
        action: drop
        regex: container_(blkio_device_usage_total|file_descriptors|last_seen|memory_failures_total|network_tcp6?_usage_total|network_udp6?_usage_total|sockets|tasks_state|threads_max|ulimits_soft)
      # Repeats a part of `id`, which has to stay: without it an old container and
      # its successor would be one series twice.
      - action: labeldrop
        regex: name

  - job_name: coredns
    scrape_interval: {{ .Values.scrape.stackInterval }}
    kubernetes_sd_configs:
      - role: endpointslice
        namespaces:
          names: [kube-system]
    relabel_configs:
      {{- include "prometheus.keepService" (list "kube-dns" "metrics") | nindent 6 }}
      {{- include "prometheus.podLabels" . | nindent 6 }}

  # The state of objects. The labels are those of the objects it tells of, and a
  # new pod of its own makes no new series. Without the component no target is
  # found, and nothing misses one.
  - job_name: kube-state-metrics
    honor_labels: true
    kubernetes_sd_configs:
      - role: endpointslice
        namespaces:
          names: [{{ .Release.Namespace }}]
    relabel_configs:
      {{- include "prometheus.keepService" (list "kube-state-metrics" "http") | nindent 6 }}
      - target_label: instance
        replacement: kube-state-metrics
    metric_relabel_configs:
      # What is said of a node is of the instance that all else calls by its name.
      - source_labels: [__name__, node]
        regex: kube_node_.+;(.+)
        target_label: instance

  - job_name: grafana
    scrape_interval: {{ .Values.scrape.stackInterval }}
    kubernetes_sd_configs:
      - role: endpointslice
        namespaces:
          names: [{{ .Release.Namespace }}]
    relabel_configs:
      {{- include "prometheus.keepService" (list "grafana" "http") | nindent 6 }}
      {{- include "prometheus.podLabels" . | nindent 6 }}

  {{- with .Values.podNamespaces }}

  # Pods that ask to be scraped. They ask by a label and not by an annotation,
  # because only a label can also open the network to them.
  - job_name: pods
    {{- with $.Values.podLimits }}
    target_limit: {{ .targets | int64 }}
    body_size_limit: {{ .body }}
    sample_limit: {{ .samples | int64 }}
    label_limit: {{ .labels | int64 }}
    label_name_length_limit: {{ .labelNameLength | int64 }}
    label_value_length_limit: {{ .labelValueLength | int64 }}
    {{- end }}
    kubernetes_sd_configs:
      - role: pod
        namespaces:
          names: [{{ join ", " . }}]
        selectors:
          - role: pod
            label: odin.local/scrape=true
    relabel_configs:
      - source_labels: [__meta_kubernetes_pod_phase]
        action: drop
        regex: Pending|Succeeded|Failed
      # A container without a declared port is no target of its own unless the
      # annotation names one.
      - source_labels: [__meta_kubernetes_pod_container_port_number, __meta_kubernetes_pod_annotation_odin_local_metrics_port]
        action: drop
        regex: ;
      # With the annotation every container of the pod becomes the same target,
      # and Prometheus keeps one of equal ones.
      - source_labels: [__meta_kubernetes_pod_ip, __meta_kubernetes_pod_annotation_odin_local_metrics_port]
        action: replace
        regex: (.+);([0-9]+)
        replacement: $1:$2
        target_label: __address__
      - source_labels: [__meta_kubernetes_pod_annotation_odin_local_metrics_scheme]
        action: replace
        regex: (https?)
        target_label: __scheme__
      - source_labels: [__meta_kubernetes_pod_annotation_odin_local_metrics_path]
        action: replace
        regex: (/.*)
        target_label: __metrics_path__
      {{- include "prometheus.podLabels" $ | nindent 6 }}
    metric_relabel_configs:
      # Names with a colon are those of recording rules, and alerts are read under
      # these two: a pod that spoke in them would speak as Prometheus.
      - source_labels: [__name__]
        action: drop
        regex: .*:.*|ALERTS|ALERTS_FOR_STATE
  {{- end }}
{{- end }}

{{/* Where the Secret of the supervisor is mounted. */}}
{{- define "prometheus.odin" -}}
/etc/prometheus/odin
{{- end }}

{{/* Keeps one named port of one Service: (list NAME PORT). */}}
{{- define "prometheus.keepService" -}}
- source_labels: [__meta_kubernetes_service_name, __meta_kubernetes_endpointslice_port_name]
  action: keep
  regex: {{ index . 0 }};{{ index . 1 }}
{{- end }}

{{/* Says which pod a series is of. */}}
{{- define "prometheus.podLabels" -}}
- source_labels: [__meta_kubernetes_namespace]
  target_label: namespace
- source_labels: [__meta_kubernetes_pod_name]
  target_label: pod
{{- end }}
