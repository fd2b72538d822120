{{/* loki.yaml: one process, everything in one volume. */}}
{{- define "loki.config" -}}
{{- range list "rateMB" "burstMB" }}
{{- if lt (int (index $.Values.limits.stream .)) (int (index $.Values.limits.tenant .)) }}
{{- fail (printf "limits.stream.%s is below limits.tenant.%s: lines would be lost" . .) }}
{{- end }}
{{- end -}}
# One tenant: whoever reaches the port reads and writes, and a NetworkPolicy says
# who that is.
auth_enabled: false

server:
  http_listen_port: 3100
  # Its parts speak to each other inside the process; nobody else has to.
  grpc_listen_address: 127.0.0.1
  grpc_listen_port: 9095
  log_level: warn
  log_format: json

common:
  path_prefix: /loki/data
  instance_addr: 127.0.0.1
  replication_factor: 1
  ring:
    kvstore:
      store: inmemory
  storage:
    filesystem:
      chunks_directory: /loki/data/chunks
      rules_directory: /etc/loki/rules

schema_config:
  configs:
    - from: "2026-01-01"
      store: tsdb
      object_store: filesystem
      schema: v13
      index:
        prefix: index_
        period: 24h

ingester:
  lifecycler:
    min_ready_duration: 0s
    final_sleep: 0s
  chunk_idle_period: 30m
  max_chunk_age: 2h
  wal:
    enabled: true
    dir: /loki/data/wal
    flush_on_shutdown: true
    disk_full_threshold: {{ .Values.limits.diskFull }}
    # A replay holds what it reads in memory; above this it writes chunks first.
    replay_memory_ceiling: {{ .Values.limits.replayMemory }}

compactor:
  working_directory: /loki/data/compactor
  compaction_interval: {{ .Values.compaction }}
  retention_enabled: true
  retention_delete_delay: {{ .Values.retention.deleteDelay }}
  delete_request_store: filesystem

limits_config:
  retention_period: {{ .Values.retention.period }}
  {{- with .Values.retention.streams }}
  retention_stream:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ingestion_rate_strategy: local
  ingestion_rate_mb: {{ .Values.limits.tenant.rateMB }}
  ingestion_burst_size_mb: {{ .Values.limits.tenant.burstMB }}
  max_streams_per_user: {{ .Values.limits.tenant.maxStreams }}
  max_global_streams_per_user: 0
  per_stream_rate_limit: {{ .Values.limits.stream.rateMB }}MB
  per_stream_rate_limit_burst: {{ .Values.limits.stream.burstMB }}MB
  # With it, what a stream may not send yet is refused as a whole and costs it
  # nothing; without, a part is taken, sent again with the rest, and counted
  # again. No stream is so fast that it would be divided into several.
  shard_streams:
    enabled: true
    desired_rate: 1TB
  max_line_size: {{ .Values.limits.line.maxSize }}
  max_line_size_truncate: true
  max_line_size_truncate_identifier: " [cut]"
  max_label_names_per_series: {{ .Values.limits.line.maxLabels }}
  max_label_name_length: {{ .Values.limits.line.maxLabelNameLength }}
  max_label_value_length: {{ .Values.limits.line.maxLabelValueLength }}
  allow_structured_metadata: true
  max_structured_metadata_entries_count: {{ .Values.limits.line.maxMetadata }}
  max_structured_metadata_size: {{ .Values.limits.line.maxMetadataSize }}
  reject_old_samples: true
  reject_old_samples_max_age: {{ .Values.limits.maxAge }}
  discover_log_levels: true
  discover_service_name: []
  query_timeout: {{ .Values.limits.query.timeout }}
  max_query_length: {{ .Values.limits.query.maxLength }}
  max_entries_limit_per_query: {{ .Values.limits.query.maxEntries }}
  max_query_series: {{ .Values.limits.query.maxSeries }}
  max_query_parallelism: {{ .Values.limits.query.parallelism }}
  tsdb_max_query_parallelism: {{ .Values.limits.query.parallelism }}
  volume_enabled: true
  # Few labels, each with few values: a stream for each of their combinations.
  # All else an entry says of itself is beside its line, and is searched too.
  otlp_config:
    resource_attributes:
      ignore_defaults: true
      attributes_config:
        - action: index_label
          attributes:
            - source
            - service.name
            - k8s.namespace.name
            - k8s.container.name
            - k8s.node.name

ruler:
  storage:
    type: local
    local:
      directory: /etc/loki/rules
  rule_path: /loki/data/ruler
  wal:
    dir: /loki/data/ruler-wal
  alertmanager_url: {{ .Values.alertmanager }}
  evaluation_interval: {{ .Values.evaluation }}
  poll_interval: 1m
  enable_api: true

querier:
  max_concurrent: {{ .Values.limits.query.parallelism }}

query_range:
  results_cache:
    cache:
      embedded_cache:
        enabled: true
        max_size_mb: 32

frontend:
  encoding: protobuf

analytics:
  reporting_enabled: false
{{- end }}
