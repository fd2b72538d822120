"""Logs: how much of what, the pipeline that brings them, and a search."""

from grafana import LOKI, Board, choice, graph, label, lines, row, source, stat, table, text_field

R = "[$__rate_interval]"
STREAM = '{service_name=~".+"}'
CHOSEN = '{service_name=~"$service", source=~"$source"}'
NAMES = (
    source(),
    source("loki", "loki", "Logs"),
    label("source", "Source", "source", STREAM),
    label("service", "Service", "service_name", '{source=~"$source"}'),
)
# Structured metadata that Loki finds in every line (`discover_log_levels`).
ERRORS = 'detected_level=~"error|critical|fatal"'
# Within a namespace; what is not of a pod has none.
WITHIN = 'k8s_namespace_name=~"$namespace"'


def boards() -> list[Board]:
    return [_overview(), _search()]


def _overview() -> Board:
    return Board(
        "logs",
        "Logs overview",
        "How many lines come from where and how grave they are, and whether the pipeline keeps up.",
        NAMES,
        (
            stat(
                "Lines",
                "Lines a second, of what is chosen.",
                f"sum(rate({CHOSEN}[5m]))",
                "cps",
                source=LOKI,
            ),
            stat(
                "Volume",
                "Bytes a second, of what is chosen.",
                f"sum(bytes_rate({CHOSEN}[5m]))",
                "Bps",
                source=LOKI,
            ),
            stat(
                "Errors",
                "Lines of level error or graver in the last hour.",
                f"sum(count_over_time({CHOSEN} | {ERRORS} [1h])) or vector(0)",
                source=LOKI,
                steps=(("yellow", 1),),
            ),
            stat(
                "Refused",
                "Lines that Loki refused in the last hour, for being too many, too long or too old.",
                'sum(increase(loki_discarded_samples_total{job="loki"}[1h])) or vector(0)',
                steps=(("red", 1),),
            ),
            stat(
                "Not sent",
                "Lines that the collector failed to send in the last hour; it tries again.",
                'sum(increase(otelcol_exporter_send_failed_log_records{job="otel-collector"}[1h])) or vector(0)',
                steps=(("yellow", 1),),
            ),
            stat(
                "Queue",
                "Part of the collector's queue that is in use.",
                'max(otelcol_exporter_queue_size{job="otel-collector"} / otelcol_exporter_queue_capacity{job="otel-collector"})',
                "percentunit",
                steps=(("yellow", 0.5), ("red", 0.9)),
            ),
            row("What comes"),
            graph(
                "By service",
                "Lines a second of the 10 that write most.",
                "cps",
                (f"topk(10, sum by (service_name) (rate({CHOSEN}[$__auto])))", "{{service_name}}"),
                source=LOKI,
                stacked=True,
            ),
            graph(
                "By level",
                "Lines a second by how grave they are.",
                "cps",
                (f"sum by (detected_level) (rate({CHOSEN}[$__auto]))", "{{detected_level}}"),
                source=LOKI,
                stacked=True,
            ),
            graph(
                "Errors by service",
                "Lines a second of level error or graver.",
                "cps",
                (
                    f"topk(10, sum by (service_name) (rate({CHOSEN} | {ERRORS} [$__auto])))",
                    "{{service_name}}",
                ),
                source=LOKI,
                stacked=True,
            ),
            graph(
                "By source",
                "Bytes a second by where lines come from: pods, the journal, the audit log.",
                "Bps",
                (f"sum by (source) (bytes_rate({CHOSEN}[$__auto]))", "{{source}}"),
                source=LOKI,
                stacked=True,
            ),
            table(
                "Who writes most",
                "Bytes of the last hour.",
                f"topk(20, sum by (service_name, k8s_namespace_name) (bytes_over_time({CHOSEN}[1h])))",
                source=LOKI,
                units={"Value": "bytes", "Value #A": "bytes"},
                titles={
                    "service_name": "Service",
                    "k8s_namespace_name": "Namespace",
                    "Value": "Bytes",
                    "Value #A": "Bytes",
                },
            ),
            row("The pipeline"),
            graph(
                "Read and sent",
                "Lines a second that the collectors read, and that Loki took.",
                "cps",
                (
                    f'sum(rate(otelcol_receiver_accepted_log_records{{job="otel-collector"}}{R}))',
                    "read",
                ),
                (
                    f'sum(rate(otelcol_exporter_sent_log_records{{job="otel-collector"}}{R}))',
                    "sent",
                ),
            ),
            graph(
                "Queue",
                "What waits to be sent, by node, in what may wait.",
                "percentunit",
                (
                    'otelcol_exporter_queue_size{job="otel-collector"} / otelcol_exporter_queue_capacity{job="otel-collector"}',
                    "{{instance}}",
                ),
                ratio=True,
            ),
            graph(
                "Refused by Loki",
                "Lines a second, by why.",
                "cps",
                (
                    f'sum by (reason) (rate(loki_discarded_samples_total{{job="loki"}}{R}))',
                    "{{reason}}",
                ),
            ),
            graph(
                "Streams",
                "Streams that Loki holds in memory. Many mean a label with many values.",
                "none",
                ('sum(loki_ingester_memory_streams{job="loki"})', "streams"),
            ),
            graph(
                "Latency of Loki",
                "The slowest in a hundred requests, by what was asked.",
                "s",
                ("route:loki_request_duration_seconds:p99_rate5m{}", "{{route}}"),
                width=24,
            ),
        ),
        span="now-1h",
        alerts='ALERTS{alertname=~"Log.*|Loki.*|Collector.*", alertstate="firing"}',
    )


def _search() -> Board:
    found = f'{CHOSEN} | {WITHIN} | detected_level=~"$level" |~ "(?i)$search"'
    return Board(
        "log-search",
        "Log search",
        "Lines that hold a text, by source, service, namespace and level.",
        (
            *NAMES,
            choice(
                "namespace",
                "Namespace",
                "namespace:container_memory_working_set_bytes:sum",
                "namespace",
            ),
            {
                **{"name": "level", "label": "Level", "type": "custom", "hide": 0, "multi": True},
                **{"query": "debug,info,warn,error,critical,fatal,unknown", "includeAll": True},
                **{"allValue": ".*", "options": []},
                "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
            },
            text_field("search", "Text (a regular expression)"),
        ),
        (
            graph(
                "How many",
                "Lines that were found, by level.",
                "none",
                (
                    f"sum by (detected_level) (count_over_time({found} [$__auto]))",
                    "{{detected_level}}",
                ),
                source=LOKI,
                stacked=True,
                width=24,
                height=6,
            ),
            lines(
                "Lines",
                "The newest first. A line opens to show all it says of itself: pod, node, container.",
                found,
                height=20,
            ),
        ),
        span="now-1h",
    )
