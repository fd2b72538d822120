{{/* Containers' files, as the kubelet lays them out. */}}
{{- define "otel-collector.pods" -}}
filelog/pods:
  # Rotated files too: the rest of one is read although nobody watched when it was
  # renamed. A file is known by its first bytes, not by its name.
  include: [/var/log/pods/*/*/*.log, /var/log/pods/*/*/*.log.*]
  exclude:
    - /var/log/pods/*/*/*.gz
    - /var/log/pods/*/*/*.tmp
    {{- range .Values.pods.exclude }}
    - {{ . }}
    {{- end }}
  {{- include "otel-collector.reading" . | nindent 2 }}
  operators:
    - type: container
      format: containerd
      max_log_size: {{ .Values.multiline.maxSizeKiB }}KiB
    - type: add
      field: resource.source
      value: pod
    # stdout and stderr of a container are in one file and tell their own stories.
    - type: add
      field: attributes.recombine
      value: EXPR(attributes["log.file.path"] + attributes["log.iostream"])
    - type: recombine
      combine_field: body
      source_identifier: attributes.recombine
      is_first_entry: {{ printf "not (body matches %q)" .Values.multiline.continuation | replace "$" "$$" | quote }}
      overwrite_with: oldest
      max_batch_size: {{ .Values.multiline.maxLines }}
      max_unmatched_batch_size: 1
      max_log_size: {{ .Values.multiline.maxSizeKiB }}KiB
      force_flush_period: {{ .Values.multiline.patience }}
    - type: remove
      field: attributes.recombine
    {{- include "otel-collector.severity" . | nindent 4 }}
{{- end }}

{{/* The journal's own objects: the message becomes the line. */}}
{{- define "otel-collector.journal" -}}
filelog/journal:
  include: [{{ .Values.journal.directory }}/*.jsonl, {{ .Values.journal.directory }}/*.jsonl.*]
  {{- include "otel-collector.reading" . | nindent 2 }}
  operators:
    - type: json_parser
      parse_to: attributes.journal
      on_error: send
    - type: time_parser
      if: attributes.journal?.__REALTIME_TIMESTAMP != nil
      parse_from: attributes.journal.__REALTIME_TIMESTAMP
      layout_type: epoch
      layout: us
    - type: severity_parser
      if: attributes.journal?.PRIORITY != nil
      parse_from: attributes.journal.PRIORITY
      overwrite_text: true
      mapping:
        fatal: ["0", "1", "2"]
        error: "3"
        warn: "4"
        info: ["5", "6"]
        debug: "7"
    - type: add
      field: resource.source
      value: 'EXPR(attributes.journal?._TRANSPORT == "kernel" ? "kernel" : "journal")'
    # A label: units that a program makes up by the hundred are one. A field that
    # an entry has twice is a list, and is not looked at.
    - type: add
      field: resource["service.name"]
      value: {{ `EXPR(let found = attributes.journal?._SYSTEMD_UNIT; let unit = type(found) == "string" ? found : ""; attributes.journal?._TRANSPORT == "kernel" ? "kernel" : unit matches "^run-" ? "run" : unit endsWith ".service" ? split(split(unit, ".service")[0], "@")[0] : unit == "" ? "journal" : "scope")` | squote }}
    {{- range $field, $name := dict "_SYSTEMD_UNIT" "attributes.systemd_unit" "SYSLOG_IDENTIFIER" "attributes.syslog_identifier" "_PID" "attributes.pid" "MESSAGE" "body" }}
    - type: move
      if: type(attributes.journal?.{{ $field }}) == "string"
      from: attributes.journal.{{ $field }}
      to: {{ $name }}
    {{- end }}
    - type: remove
      if: attributes.journal != nil
      field: attributes.journal
{{- end }}

{{/* Audit events stay as they are: LogQL's `| json` reads them. */}}
{{- define "otel-collector.audit" -}}
filelog/audit:
  # The API server renames a full file to NAME-TIME.EXTENSION: the rest of it is read
  # although nobody watched.
  {{- $extension := ext .Values.audit.file }}
  include:
    - {{ .Values.audit.directory }}/{{ .Values.audit.file }}
    - {{ .Values.audit.directory }}/{{ trimSuffix $extension .Values.audit.file }}-*{{ $extension }}
  exclude_older_than: {{ .Values.audit.maxAge }}
  {{- include "otel-collector.reading" . | nindent 2 }}
  operators:
    - type: json_parser
      parse_to: attributes.event
      on_error: send
    - type: time_parser
      if: attributes.event?.stageTimestamp != nil
      parse_from: attributes.event.stageTimestamp
      layout_type: gotime
      layout: "2006-01-02T15:04:05.999999Z"
    - type: add
      field: resource.source
      value: audit
    - type: add
      field: resource["service.name"]
      value: kube-apiserver
    - type: remove
      if: attributes.event != nil
      field: attributes.event
{{- end }}

{{/* How every file is read. */}}
{{- define "otel-collector.reading" -}}
include_file_path: true
include_file_name: false
# Of a file that nobody has read yet.
start_at: beginning
storage: file_storage/positions
poll_interval: 500ms
max_log_size: 1MiB
# A line that the next part does not take is offered again, without end.
retry_on_failure:
  enabled: true
  max_elapsed_time: 0s
{{- end }}

{{/* Severity of a line of JSON, of key=value, and of plain text. The line stays as it is. */}}
{{- define "otel-collector.severity" -}}
{{- $keys := join "|" .Values.severity.fields -}}
- type: json_parser
  if: {{ `body startsWith "{" and body endsWith "}"` | squote }}
  parse_to: attributes.parsed
  on_error: send_quiet
{{- range .Values.severity.fields }}
- type: move
  if: attributes.level == nil and attributes.parsed?.{{ . }} != nil
  from: attributes.parsed.{{ . }}
  to: attributes.level
{{- end }}
- type: remove
  if: attributes.parsed != nil
  field: attributes.parsed
- type: regex_parser
  if: {{ printf "attributes.level == nil and body matches %q" (printf `(?:^|\s)(?:%s)="?[A-Za-z]` $keys) | squote }}
  regex: {{ printf `(?:^|\s)(?:%s)="?(?P<level>[A-Za-z]+)` $keys | replace "$" "$$" | squote }}
  on_error: send_quiet
- type: regex_parser
  if: {{ printf "attributes.level == nil and body matches %q" .Values.severity.text | replace "$" "$$" | squote }}
  regex: {{ .Values.severity.text | replace "$" "$$" | squote }}
  on_error: send_quiet
- type: move
  if: (attributes.level ?? "") == "" and (attributes.letter ?? "") != ""
  from: attributes.letter
  to: attributes.level
- type: severity_parser
  if: (attributes.level ?? "") != ""
  parse_from: attributes.level
  overwrite_text: true
  on_error: send_quiet
  mapping:
    {{- range $name, $words := .Values.severity.also }}
    {{ $name }}: {{ $words | toJson }}
    {{- end }}
- type: remove
  if: attributes.level != nil
  field: attributes.level
- type: remove
  if: attributes.letter != nil
  field: attributes.letter
{{- end }}
