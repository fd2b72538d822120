{{/*
The collector's configuration. A `$` begins a reference to the environment there,
so values that hold one are written with two.
*/}}
{{- define "otel-collector.config" -}}
extensions:
  health_check:
    endpoint: ${env:POD_ADDRESS}:13133
  # Both are read when it starts and lose nothing when it is killed.
  file_storage/positions:
    directory: /var/lib/otelcol/positions
    create_directory: true
    fsync: true
    timeout: 10s
  file_storage/queue:
    directory: /var/lib/otelcol/queue
    create_directory: true
    timeout: 10s
    compaction:
      on_start: true
      on_rebound: true
      cleanup_on_start: true
      directory: /var/lib/otelcol/queue
      rebound_needed_threshold_mib: {{ .Values.queue.sizeMiB }}
      rebound_trigger_threshold_mib: 8

receivers:
  {{- include "otel-collector.pods" . | nindent 2 }}
  {{- if .Values.journal.enabled }}
  {{- include "otel-collector.journal" . | nindent 2 }}
  {{- end }}
  {{- if .Values.audit.enabled }}
  {{- include "otel-collector.audit" . | nindent 2 }}
  {{- end }}

processors:
  memory_limiter:
    check_interval: 1s
    limit_mib: {{ .Values.memory.limitMiB }}
    spike_limit_mib: {{ .Values.memory.spikeMiB }}

  # From the API, of this node's pods alone.
  k8sattributes:
    auth_type: serviceAccount
    filter:
      node_from_env_var: NODE_NAME
    # Until it knows the pods, a line would be of a stream of its own.
    wait_for_metadata: true
    wait_for_metadata_timeout: 60s
    pod_association:
      - sources:
          - from: resource_attribute
            name: k8s.pod.uid
    extract:
      metadata:
        - service.name
        - k8s.deployment.name
        - k8s.statefulset.name
        - k8s.daemonset.name

  resource/node:
    attributes:
      - key: k8s.node.name
        value: ${env:NODE_NAME}
        action: upsert

  {{- with .Values.drop }}

  filter/drop:
    error_mode: ignore
    log_conditions:
      {{- range . }}
      # {{ .name }}
      - {{ .condition | replace "$" "$$" | quote }}
      {{- end }}
  {{- end }}
  {{- with .Values.redact }}

  transform/redact:
    error_mode: ignore
    log_statements:
      - context: log
        statements:
          {{- range . }}
          # {{ .name }}
          - {{ printf "replace_pattern(log.body, %q, %q)" .pattern .replacement | replace "$" "$$" | quote }}
          {{- end }}
  {{- end }}

  # A file name is no more than where the line was found; the container's own
  # attributes say the same.
  transform/tidy:
    error_mode: ignore
    log_statements:
      - context: resource
        statements:
          - set(resource.attributes["service.name"], resource.attributes["k8s.container.name"]) where resource.attributes["service.name"] == nil and resource.attributes["k8s.container.name"] != nil
          - delete_key(resource.attributes, "k8s.pod.uid")
          - delete_key(resource.attributes, "k8s.container.restart_count")
      - context: log
        statements:
          - delete_key(log.attributes, "log.file.path")
          - delete_key(log.attributes, "log.file.name")
          - delete_key(log.attributes, "logtag")

exporters:
  otlphttp/loki:
    endpoint: {{ .Values.loki }}
    compression: gzip
    timeout: 30s
    retry_on_failure:
      enabled: true
      initial_interval: 1s
      max_interval: {{ .Values.queue.maxInterval }}
      # Without end.
      max_elapsed_time: 0s
    sending_queue:
      enabled: true
      storage: file_storage/queue
      sizer: bytes
      queue_size: {{ mul .Values.queue.sizeMiB 1048576 | int64 }}
      # What does not fit waits in its file.
      block_on_overflow: true
      num_consumers: {{ .Values.queue.consumers }}
      # Behind the queue and not before it: what waits for its batch is on disk.
      batch:
        flush_timeout: 500ms
        sizer: bytes
        min_size: {{ div (mul .Values.queue.batchKiB 1024) 2 | int64 }}
        max_size: {{ mul .Values.queue.batchKiB 1024 | int64 }}

service:
  extensions: [health_check, file_storage/positions, file_storage/queue]
  telemetry:
    logs:
      encoding: json
      level: info
    metrics:
      level: normal
      readers:
        - pull:
            exporter:
              prometheus:
                host: ${env:POD_ADDRESS}
                port: 8888
                without_scope_info: true
                without_type_suffix: true
                without_units: true
  pipelines:
    logs/pods:
      receivers: [filelog/pods]
      processors: [memory_limiter, k8sattributes, {{ include "otel-collector.common" . }}]
      exporters: [otlphttp/loki]
    {{- $host := list }}
    {{- if .Values.journal.enabled }}{{ $host = append $host "filelog/journal" }}{{ end }}
    {{- if .Values.audit.enabled }}{{ $host = append $host "filelog/audit" }}{{ end }}
    {{- with $host }}
    logs/host:
      receivers: [{{ join ", " . }}]
      processors: [memory_limiter, {{ include "otel-collector.common" $ }}]
      exporters: [otlphttp/loki]
    {{- end }}
{{- end }}

{{/* What every line goes through, whatever its source. */}}
{{- define "otel-collector.common" -}}
resource/node{{ if .Values.drop }}, filter/drop{{ end }}{{ if .Values.redact }}, transform/redact{{ end }}, transform/tidy
{{- end }}
