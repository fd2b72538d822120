"""Alerts: what fires, what fired, and whether the machinery behind it works."""

from grafana import Board, choice, graph, row, source, stat, table, timeline

S = 'severity=~"$severity"'
R = "[$__rate_interval]"
SEVERITIES = choice("severity", "Severity", "ALERTS", "severity", allValue="warning|critical")


def boards() -> list[Board]:
    return [
        Board(
            "alerts",
            "Alerts",
            "What fires, what fired, who was told, and whether the machinery behind it works.",
            (source(), SEVERITIES),
            (
                stat(
                    "Critical",
                    "Critical alerts that fire now.",
                    'count(ALERTS{alertstate="firing", severity="critical"}) or vector(0)',
                    steps=(("red", 1),),
                ),
                stat(
                    "Warnings",
                    "Warnings that fire now.",
                    'count(ALERTS{alertstate="firing", severity="warning"}) or vector(0)',
                    steps=(("yellow", 1),),
                ),
                stat(
                    "About to fire",
                    "Alerts whose condition holds and whose time is not over yet.",
                    f'count(ALERTS{{alertstate="pending", {S}}}) or vector(0)',
                ),
                stat(
                    "Silences", "Silences in force.", 'sum(alertmanager_silences{state="active"})'
                ),
                stat(
                    "Watchdog",
                    "An alert that always fires: without it no alert arrives.",
                    'count(ALERTS{alertname="Watchdog", alertstate="firing"}) or vector(0)',
                    words={"0": ("red", "missing"), "1": ("green", "arrives")},
                    runbooks=("Watchdog",),
                ),
                stat(
                    "Alertmanager",
                    "Whether Prometheus has found an Alertmanager to send to.",
                    'min(prometheus_notifications_alertmanagers_discovered{job="prometheus"})',
                    words={"0": ("red", "none"), "1": ("green", "found")},
                    runbooks=("PrometheusNotConnectedToAlertmanager",),
                ),
                table(
                    "What fires",
                    "Alerts that fire now; each has a runbook of its name.",
                    f'ALERTS{{alertstate="firing", {S}}}',
                    hidden=("alertstate", "Value"),
                    titles={
                        "alertname": "Alert",
                        "severity": "Severity",
                        "instance": "Node",
                        "namespace": "Namespace",
                        "pod": "Pod",
                        "job": "Job",
                    },
                ),
                timeline(
                    "When",
                    "When each alert fired.",
                    (f'max by (alertname) (ALERTS{{alertstate="firing", {S}}})', "{{alertname}}"),
                    width=24,
                    height=10,
                    words={"1": ("red", "fired")},
                ),
                row("Delivery"),
                graph(
                    "Notifications",
                    "Sent by Alertmanager, by the kind of receiver.",
                    "cpm",
                    (
                        f'sum by (integration) (rate(alertmanager_notifications_total{{job="alertmanager"}}{R})) * 60',
                        "{{integration}}",
                    ),
                ),
                graph(
                    "Failed",
                    "Notifications that could not be sent.",
                    "cpm",
                    (
                        f'sum by (integration) (rate(alertmanager_notifications_failed_total{{job="alertmanager"}}{R})) * 60',
                        "{{integration}}",
                    ),
                    runbooks=("AlertmanagerNotificationsFailing",),
                ),
                graph(
                    "Time to send",
                    "The slowest in a hundred notifications.",
                    "s",
                    (
                        "integration:alertmanager_notification_latency_seconds:p99_rate5m{}",
                        "{{integration}}",
                    ),
                ),
                graph(
                    "Dropped by Prometheus",
                    "Alerts that Prometheus could not hand over.",
                    "cpm",
                    (
                        f'sum(rate(prometheus_notifications_dropped_total{{job="prometheus"}}{R})) * 60',
                        "dropped",
                    ),
                    runbooks=("PrometheusNotConnectedToAlertmanager",),
                ),
                row("Rules and targets"),
                graph(
                    "Time to evaluate",
                    "How long the slowest groups of rules took last.",
                    "s",
                    (
                        'topk(10, max by (rule_group) (prometheus_rule_group_last_duration_seconds{job="prometheus"}))',
                        "{{rule_group}}",
                    ),
                ),
                graph(
                    "Rules that fail",
                    "Evaluations that failed or were left out.",
                    "cpm",
                    (
                        f'sum(rate(prometheus_rule_evaluation_failures_total{{job="prometheus"}}{R})) * 60',
                        "failed",
                    ),
                    (
                        f'sum(rate(prometheus_rule_group_iterations_missed_total{{job="prometheus"}}{R})) * 60',
                        "left out",
                    ),
                    runbooks=("PrometheusRuleFailures",),
                ),
                timeline(
                    "Targets",
                    "Whether each kind of target answers: the worst of them.",
                    ("min by (job) (up{})", "{{job}}"),
                    width=12,
                    words={"0": ("red", "down"), "1": ("green", "up")},
                    runbooks=("TargetDown", "TargetMissing"),
                ),
                graph(
                    "Time to scrape",
                    "How long the slowest target of each kind took.",
                    "s",
                    ("max by (job) (scrape_duration_seconds{})", "{{job}}"),
                ),
                graph(
                    "Queries of Prometheus",
                    "The slowest in a hundred requests, by what was asked.",
                    "s",
                    (
                        'handler:prometheus_http_request_duration_seconds:p99_rate5m{handler=~"/api/v1/query.*"}',
                        "{{handler}}",
                    ),
                    width=24,
                ),
            ),
            span="now-24h",
        )
    ]
