"""ServiceMonitor and dashboard: behind switches, at the operator's own port, about metrics that there are."""

import json
import re
from typing import Any

from prometheus_client.metrics import MetricWrapperBase
from tests.charts.rendering import Manifest, Values, of_kind, one, render

from gopd_operator.shell.cluster import metrics as operators

ON: Values = {"monitoring": {"serviceMonitor": {"enabled": True}, "grafanaDashboard": {"enabled": True}}}


def metrics() -> dict[str, set[str]]:
    """The operator's metrics as Prometheus stores them, with their labels; of a histogram its buckets."""
    found: dict[str, set[str]] = {}
    for collector in vars(operators).values():
        if isinstance(collector, MetricWrapperBase):
            (family,) = collector.describe()
            name = family.name + {"counter": "_total", "histogram": "_bucket"}.get(family.type, "")
            found[name] = {*collector._labelnames, *(["le"] if family.type == "histogram" else [])}
    return found


def dashboard() -> dict[str, Any]:
    return dict(json.loads(one(render(ON), "ConfigMap", "gopd-dashboard")["data"]["gopd.json"]))


def queries() -> list[str]:
    return [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]


def test_both_are_off_unless_asked_for(objects: list[Manifest]) -> None:
    assert of_kind(objects, "ServiceMonitor") == []
    assert [found for found in of_kind(objects, "ConfigMap") if "dashboard" in found["metadata"]["name"]] == []


def test_the_service_monitor_finds_the_operators_service() -> None:
    objects = render(
        {"monitoring": {"serviceMonitor": {"enabled": True, "namespace": "prometheus", "labels": {"a": "b"}}}}
    )
    (monitor,) = of_kind(objects, "ServiceMonitor")
    service = one(objects, "Service", "gopd-operator")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["gopd-system"]}
    assert monitor["spec"]["endpoints"] == [{"port": "http", "path": "/metrics", "interval": "30s"}]
    assert service["spec"]["ports"][0]["name"] == "http"
    assert (monitor["metadata"]["namespace"], monitor["metadata"]["labels"]["a"]) == ("prometheus", "b")


def test_the_dashboard_asks_for_every_metric_and_no_other() -> None:
    assert set(re.findall(r"\bgopd_\w+", " ".join(queries()))) == set(metrics())


def test_the_dashboard_groups_by_labels_that_there_are() -> None:
    for query in queries():
        (metric,) = set(re.findall(r"\bgopd_\w+", query))
        groups = re.findall(r"by \(([^)]*)\)", query)
        assert {label.strip() for group in groups for label in group.split(",")} <= metrics()[metric], query


def test_a_legend_is_grafanas_and_not_helms() -> None:
    legends = {target["legendFormat"] for panel in dashboard()["panels"] for target in panel["targets"]}
    assert "{{kind}} {{phase}}" in legends


def test_panels_do_not_lie_on_each_other() -> None:
    places: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & places, panel["title"]
        assert at["x"] + at["w"] <= 24
        places |= cells
