"""The dashboards as Grafana reads them, from the list in `boards.py`."""

import json
from typing import Any

from watch.boards import BOARDS
from watch.panels import Board, Panel
from watch.scope import narrowed

COLUMNS = 24
ONE_DEPLOYMENT = 'job=~"$job"'
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def texts() -> dict[str, str]:
    """Return the file of each dashboard by its name."""
    return {board.name: json.dumps(document(board), indent=1, ensure_ascii=False) + "\n" for board in BOARDS}


def document(board: Board) -> dict[str, Any]:
    """Return one dashboard: panels flow from left to right, rows below one another, ids count from 1."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in board.rows:
        panels.append(_row(title, len(panels) + 1, top))
        top += 1
        left, height = 0, 0
        for panel in row:
            if left + panel.width > COLUMNS:
                top, left, height = top + height, 0, 0
            place = {"h": panel.height, "w": panel.width, "x": left, "y": top}
            panels.append(_panel(panel, len(panels) + 1, place))
            left, height = left + panel.width, max(height, panel.height)
        top += height
    return {
        "uid": f"postroom-{board.name}",
        "title": f"Postroom / {board.title}",
        "description": board.description,
        "tags": ["postroom"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_data_source(), _deployment()]},
        "annotations": {"list": []},
        "links": [
            {
                "title": "Postroom",
                "type": "dashboards",
                "tags": ["postroom"],
                "asDropdown": True,
                "icon": "external link",
                "includeVars": True,
                "keepTime": True,
                "targetBlank": False,
                "tooltip": "",
                "url": "",
            }
        ],
        "panels": panels,
    }


def _data_source() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "options": [],
        "refresh": 1,
        "regex": "",
    }


def _deployment() -> dict[str, Any]:
    """Return the choice of deployments: all of them at first. Whoever scrapes each service as a job of its own leaves it so."""
    asked = "label_values(postroom_build_info, job)"
    return {
        "name": "job",
        "label": "Deployment",
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": asked, "refId": "job"},
        "hide": 0,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "options": [],
        "refresh": 2,
        "regex": "",
        "sort": 1,
    }


def _row(title: str, number: int, top: int) -> dict[str, Any]:
    place = {"h": 1, "w": COLUMNS, "x": 0, "y": top}
    return {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    targets = [
        {
            "refId": chr(ord("A") + n),
            "datasource": SOURCE,
            "expr": narrowed(query.expr, ONE_DEPLOYMENT),
            "legendFormat": query.legend,
            "range": panel.kind == "timeseries",
            "instant": panel.kind == "stat",
        }
        for n, query in enumerate(panel.queries)
    ]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
        "targets": targets,
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.bad_from is not None:
        steps.append({"color": "red", "value": panel.bad_from})
    found: dict[str, Any] = {
        "unit": panel.unit,
        "min": 0,
        "thresholds": {"mode": "absolute", "steps": steps},
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
    }
    if panel.kind == "timeseries":
        shown = "line" if panel.bad_from is not None else "off"
        found["custom"] = {"lineWidth": 1, "fillOpacity": 10, "thresholdsStyle": {"mode": shown}}
    return found


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "timeseries":
        return {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    return {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "value_and_name",
    }
