"""A dashboard as Python says it, and as Grafana reads it.

Only what ODIN's dashboards need. A panel says what it shows, in which unit and
where its runbook is; ids and places follow from the order.
"""

from __future__ import annotations

import json
import re
import string
from dataclasses import dataclass, field

# The last of Grafana's first dashboard API (DashboardMigrator.ts of Grafana 12
# and 13: "the FINAL version for the v1 dashboard API").
SCHEMA_VERSION = 42
WIDTH = 24

PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}
LOKI = {"type": "loki", "uid": "${loki}"}
# From which value on a number is yellow or red.
Steps = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Panel:
    """One panel; `queries` are pairs of an expression and its legend."""

    kind: str
    title: str
    description: str
    unit: str
    queries: tuple[tuple[str, str], ...] = ()
    width: int = 12
    height: int = 8
    source: dict = field(default_factory=lambda: PROMETHEUS)
    steps: Steps = ()
    words: dict[str, tuple[str, str]] = field(default_factory=dict)
    stacked: bool = False
    ratio: bool = False
    runbooks: tuple[str, ...] = ()
    # A table: units of its columns, their titles, and the labels it joins by.
    units: dict[str, str] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    join: str = ""
    hidden: tuple[str, ...] = ()


@dataclass(frozen=True)
class Board:
    """One dashboard."""

    name: str
    title: str
    description: str
    variables: tuple[dict, ...]
    panels: tuple[Panel, ...]
    span: str = "now-3h"
    alerts: str = ""


def row(title: str) -> Panel:
    """A heading; what follows stands below it."""
    return Panel("row", title, "", "", width=WIDTH, height=1)


def stat(title: str, description: str, expression: str, unit: str = "none", **more) -> Panel:
    """One number of now."""
    return Panel(
        "stat", title, description, unit, ((expression, ""),), **{"width": 4, "height": 4} | more
    )


def graph(title: str, description: str, unit: str, *queries: tuple[str, str], **more) -> Panel:
    """Lines over time."""
    return Panel("timeseries", title, description, unit, queries, **more)


def timeline(title: str, description: str, *queries: tuple[str, str], **more) -> Panel:
    """States over time."""
    return Panel("state-timeline", title, description, "none", queries, **more)


def table(title: str, description: str, *queries: str, **more) -> Panel:
    """A row for each series; several queries are joined by a label."""
    return Panel(
        "table",
        title,
        description,
        "none",
        tuple((each, "") for each in queries),
        **{"width": WIDTH} | more,
    )


def lines(title: str, description: str, expression: str, **more) -> Panel:
    """Lines of logs."""
    return Panel(
        "logs",
        title,
        description,
        "none",
        ((expression, ""),),
        source=LOKI,
        **{"width": WIDTH, "height": 16} | more,
    )


def source(name: str = "datasource", kind: str = "prometheus", label: str = "Data source") -> dict:
    """Which Prometheus, or which Loki, is asked."""
    return {
        **{"name": name, "label": label, "type": "datasource", "query": kind, "regex": ""},
        **{"hide": 0, "refresh": 1, "multi": False, "includeAll": False, "options": []},
        "current": {"selected": True, "text": kind.capitalize(), "value": kind},
    }


def choice(name: str, label: str, series: str, of: str, **more) -> dict:
    """A label's values to choose from; all of them at first."""
    asked = f"label_values({series}, {of})"
    return {
        **{"name": name, "label": label, "type": "query", "datasource": PROMETHEUS},
        "definition": asked,
        "query": {
            "query": asked,
            "refId": "PrometheusVariableQueryEditor-VariableQuery",
            "qryType": 1,
        },
        **{"refresh": 2, "regex": "", "sort": 1, "hide": 0, "multi": True, "includeAll": True},
        **{"allValue": ".*", "options": []},
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    } | more


def label(name: str, title: str, of: str, stream: str) -> dict:
    """The same of a label of log streams."""
    return choice(
        name,
        title,
        stream,
        of,
        datasource=LOKI,
        allValue=".+",
        query={
            "label": of,
            "refId": "LokiVariableQueryEditor-VariableQuery",
            "stream": stream,
            "type": 1,
        },
    )


def text_field(name: str, title: str) -> dict:
    """What a person types."""
    return {
        **{"name": name, "label": title, "type": "textbox", "query": "", "hide": 0, "options": []},
        "current": {"selected": True, "text": "", "value": ""},
    }


NODES = choice("instance", "Node", "node_uname_info", "instance")
RUNBOOKS = {
    **{"name": "runbooks", "label": "Where runbooks are read", "type": "constant"},
    **{"query": "/runbooks", "hide": 2, "skipUrlSync": True, "options": []},
    "current": {"selected": True, "text": "/runbooks", "value": "/runbooks"},
}


def text(board: Board) -> str:
    """The file."""
    annotations = []
    if board.alerts:
        annotations.append(
            {
                **{"name": "Alerts", "builtIn": 0, "datasource": PROMETHEUS, "enable": True},
                **{"hide": False, "iconColor": "red", "expr": board.alerts, "step": "60s"},
                **{"titleFormat": "{{alertname}}", "textFormat": "{{namespace}} {{instance}}"},
            }
        )
    link = {
        **{
            "type": "dashboards",
            "tags": ["odin"],
            "title": "ODIN",
            "tooltip": "The other dashboards of ODIN",
        },
        **{"asDropdown": True, "icon": "external link", "includeVars": False, "keepTime": True},
        **{"targetBlank": False, "url": ""},
    }
    content = {
        **{"uid": f"odin-{board.name}", "title": board.title, "description": board.description},
        **{"tags": ["odin"], "schemaVersion": SCHEMA_VERSION, "version": 1, "editable": False},
        **{"graphTooltip": 1, "refresh": "30s", "time": {"from": board.span, "to": "now"}},
        **{"timezone": "browser", "timepicker": {}, "fiscalYearStartMonth": 0, "liveNow": False},
        **{"preload": False, "annotations": {"list": annotations}, "links": [link]},
        "templating": {"list": [*board.variables, RUNBOOKS]},
        "panels": _placed(board.panels),
    }
    return json.dumps(content, indent=1) + "\n"


def _placed(panels: tuple[Panel, ...]) -> list[dict]:
    made, x, y, height = [], 0, 0, 0
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > WIDTH:
            x, y, height = 0, y + height, 0
        place = {"h": panel.height, "w": panel.width, "x": x, "y": y}
        made.append(_panel(number, panel, place))
        x, height = x + panel.width, max(height, panel.height)
    return made


def _panel(number: int, panel: Panel, place: dict) -> dict:
    head = {"id": number, "type": panel.kind, "title": panel.title}
    if panel.kind == "row":
        return {**head, "collapsed": False, "gridPos": place, "panels": []}
    made = {
        **head,
        **{"description": panel.description, "datasource": panel.source, "gridPos": place},
        **{"fieldConfig": _fields(panel), "options": OPTIONS[panel.kind]},
        "targets": [
            _target(panel, reference, *query)
            for reference, query in zip(string.ascii_uppercase, panel.queries, strict=False)
        ],
    }
    if panel.kind == "table":
        made["transformations"] = _columns(panel)
    if panel.runbooks:
        made["links"] = [
            {"title": f"Runbook: {name}", "url": f"${{runbooks}}/{name}.md", "targetBlank": True}
            for name in panel.runbooks
        ]
    return made


def _target(panel: Panel, reference: str, expression: str, legend: str) -> dict:
    instant = panel.kind in ("stat", "table")
    made = {"refId": reference, "datasource": panel.source, "editorMode": "code"}
    # One line each: what is written over several for a reader is one expression.
    made["expr"] = re.sub(r"\s*\n\s*", " ", expression.strip())
    if panel.source == LOKI:
        made["queryType"] = "instant" if instant else "range"
    made |= {"instant": instant, "range": not instant}
    if panel.kind == "table":
        made["format"] = "table"
    if legend:
        made["legendFormat"] = legend
    return made


def _fields(panel: Panel) -> dict:
    steps = [{"color": "green", "value": None}]
    steps += [{"color": color, "value": value} for color, value in panel.steps]
    mappings = []
    if panel.words:
        options = {
            value: {"color": color, "index": index, "text": word}
            for index, (value, (color, word)) in enumerate(panel.words.items())
        }
        mappings = [{"type": "value", "options": options}]
    mode = "palette-classic" if panel.kind == "timeseries" else "thresholds"
    defaults = {
        **{"color": {"mode": mode}, "mappings": mappings, "unit": panel.unit},
        "thresholds": {"mode": "absolute", "steps": steps},
    }
    if panel.kind in CUSTOM:
        defaults["custom"] = dict(CUSTOM[panel.kind])
    if panel.kind == "timeseries":
        stacking = {"group": "A", "mode": "normal" if panel.stacked else "none"}
        defaults["custom"] |= {"fillOpacity": 30 if panel.stacked else 5, "stacking": stacking}
        # Nothing here is below zero but an offset of a clock.
        defaults |= {"min": 0} if panel.unit != "s" else {}
        defaults |= {"max": 1} if panel.ratio else {}
    overrides = [
        {
            "matcher": {"id": "byName", "options": column},
            "properties": [{"id": "unit", "value": unit}],
        }
        for column, unit in panel.units.items()
    ]
    return {"defaults": defaults, "overrides": overrides}


def _columns(panel: Panel) -> list[dict]:
    """Joins the queries of a table, and names what is left of their labels."""
    made = []
    if panel.join:
        made.append({"id": "joinByField", "options": {"byField": panel.join, "mode": "outer"}})
    times = ["Time", *(f"Time {number}" for number in range(1, len(panel.queries) + 1))]
    hidden = dict.fromkeys([*times, "__name__", *panel.hidden], True)
    made.append(
        {
            "id": "organize",
            "options": {"excludeByName": hidden, "indexByName": {}, "renameByName": panel.titles},
        }
    )
    return made


CUSTOM = {
    "timeseries": {"drawStyle": "line", "lineWidth": 1, "showPoints": "never", "spanNulls": False},
    "state-timeline": {"fillOpacity": 80, "lineWidth": 0, "spanNulls": False},
    "table": {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": True},
}
OPTIONS = {
    "stat": {
        **{"colorMode": "value", "graphMode": "none", "justifyMode": "auto", "orientation": "auto"},
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        **{"textMode": "auto", "wideLayout": True},
    },
    "timeseries": {
        "legend": {
            **{"calcs": ["lastNotNull", "max"], "displayMode": "table", "placement": "bottom"},
            "showLegend": True,
        },
        "tooltip": {"hideZeros": False, "mode": "multi", "sort": "desc"},
    },
    "state-timeline": {
        **{"alignValue": "left", "mergeValues": True, "rowHeight": 0.85, "showValue": "auto"},
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
        "tooltip": {"mode": "single", "sort": "none"},
    },
    "table": {"cellHeight": "sm", "showHeader": True},
    "logs": {
        **{
            "showTime": True,
            "showLabels": False,
            "showCommonLabels": False,
            "wrapLogMessage": True,
        },
        **{"prettifyLogMessage": False, "enableLogDetails": True, "dedupStrategy": "none"},
        "sortOrder": "Descending",
    },
}
