"""Dashboard, alerts and scrape configuration are well-formed, and their metrics and labels exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import promql_parser as promql
import pytest
import yaml

from app.responses.problem_types import problem_types
from dev.environment import ROOT
from telemetry.metrics.declared import NAMESPACE, Described, catalogue

OPS = ROOT / "ops"
#: labels that Prometheus adds to every series
OF_PROMETHEUS = {"job", "instance"}
#: variables of Grafana: a span of time, a choice of label values
GRAFANA = {"$__rate_interval": "5m", "$process": "a|b", "$topic": "a|b"}

METRICS: dict[str, Described] = {series: metric for metric in catalogue() for series in metric.series}
UP = Described("up", "gauge", "", ())


@dataclass(frozen=True)
class Query:
    """One query, and its place."""

    where: str
    text: str
    #: labels in its legend or summary
    shown: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return self.where


def alerts() -> list[dict[str, Any]]:
    document = yaml.safe_load((OPS / "prometheus/alerts.yaml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((OPS / "grafana/celery-camunda.json").read_text())
    return found


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries() -> Iterator[Query]:
    for rule in alerts():
        texts = " ".join(rule["annotations"].values())
        yield Query(f"alert {rule['alert']}", rule["expr"], frozenset(re.findall(r"\$labels\.(\w+)", texts)))
    for panel in panels():
        for target in panel["targets"]:
            text = target["expr"]
            for variable, value in GRAFANA.items():
                text = text.replace(variable, value)
            shown = frozenset(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            yield Query(f"panel {panel['title']} {target['refId']}", text, shown)


def selectors(expression: Any) -> list[promql.VectorSelector]:
    found: list[promql.VectorSelector] = []

    def visit(node: Any) -> bool:
        if isinstance(node, promql.MatrixSelector):
            found.append(node.vector_selector)
        elif isinstance(node, promql.VectorSelector):
            found.append(node)
        return True

    promql.walk(expression, pre_visit=visit)
    # A walk visits the selector within a matrix selector too.
    return list({str(selector): selector for selector in found}.values())


def labels_of(selector: promql.VectorSelector) -> set[str]:
    metric = UP if selector.name == "up" else METRICS[str(selector.name)]
    return {*metric.labels, *OF_PROMETHEUS, *(["le"] if str(selector.name).endswith("_bucket") else [])}


def aggregations(expression: Any) -> list[promql.AggregateExpr]:
    found: list[promql.AggregateExpr] = []

    def visit(node: Any) -> bool:
        if isinstance(node, promql.AggregateExpr):
            found.append(node)
        return True

    promql.walk(expression, pre_visit=visit)
    return found


def result_labels(node: Any) -> set[str]:
    """The labels that the result of an expression may have."""
    if isinstance(node, promql.AggregateExpr):
        return set(node.modifier.labels) if node.modifier else set()
    if isinstance(node, promql.BinaryExpr):
        return result_labels(node.lhs) | result_labels(node.rhs)
    if isinstance(node, promql.ParenExpr):
        return result_labels(node.expr)
    if isinstance(node, promql.Call):
        found = set().union(*(result_labels(argument) for argument in node.args))
        return found - {"le"} if node.func.name == "histogram_quantile" else found
    if isinstance(node, promql.VectorSelector):
        return labels_of(node)
    if isinstance(node, promql.MatrixSelector):
        return labels_of(node.vector_selector)
    return set()


@pytest.mark.parametrize("query", list(queries()), ids=str)
def test_metrics_and_labels_of_a_query_exist(query: Query) -> None:
    expression = promql.parse(query.text)
    found = selectors(expression)
    assert found
    for selector in found:
        assert selector.name == "up" or selector.name in METRICS, f"there is no metric {selector.name}"
        matched = {matcher.name for matcher in selector.matchers.matchers}
        assert matched <= labels_of(selector), f"{selector.name} has no labels {matched - labels_of(selector)}"
    for aggregation in aggregations(expression):
        by = set(aggregation.modifier.labels) if aggregation.modifier else set()
        for selector in selectors(aggregation.expr):
            assert by <= labels_of(selector), f"{selector.name} has no labels {by - labels_of(selector)}"


@pytest.mark.parametrize("query", list(queries()), ids=str)
def test_labels_of_a_legend_or_summary_are_in_the_result(query: Query) -> None:
    assert query.shown <= result_labels(promql.parse(query.text))


@pytest.mark.parametrize("query", list(queries()), ids=str)
def test_label_values_are_those_of_the_metrics_description(query: Query) -> None:
    for selector in selectors(promql.parse(query.text)):
        for matcher in selector.matchers.matchers:
            exact = matcher.op in (promql.MatchOp.Equal, promql.MatchOp.NotEqual)
            if exact and matcher.name != "le" and not matcher.value.isdecimal():
                assert f"`{matcher.value}`" in METRICS[str(selector.name)].documentation, matcher


def values_of(selector: promql.VectorSelector, label: str) -> set[str]:
    """The values that a label may have, if they are fixed; None for names of processes and topics."""
    if label == "job":
        document = yaml.safe_load((OPS / "prometheus/prometheus.yaml").read_text())
        return {job["job_name"] for job in document["scrape_configs"]}
    known = set(re.findall(r"`([\w.-]+)`", METRICS[str(selector.name)].documentation))
    if label in ("reason", "type"):
        known |= set(problem_types())
    if label == "status":
        known |= {str(status.value) for status in HTTPStatus}
    return known


@pytest.mark.parametrize("query", list(queries()), ids=str)
def test_every_choice_of_a_pattern_is_a_value_that_exists(query: Query) -> None:
    for selector in selectors(promql.parse(query.text)):
        for matcher in selector.matchers.matchers:
            pattern = matcher.op in (promql.MatchOp.Re, promql.MatchOp.NotRe)
            if pattern and matcher.value not in GRAFANA.values():
                known = values_of(selector, matcher.name)
                for choice in matcher.value.split("|"):
                    assert any(re.fullmatch(choice, value) for value in known), f"{matcher.name}: {choice}"


def test_counters_are_read_as_rates() -> None:
    for query in queries():
        for name, metric in METRICS.items():
            if metric.type in ("counter", "histogram"):
                all_, rates = (
                    len(re.findall(before + name + r"\b", query.text)) for before in ("", r"(?:rate|increase)\(")
                )
                assert all_ == rates, f"{query}: {name} is used without rate() or increase()"


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_alert_describes_the_fault_and_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in ("info", "warning", "critical")
    assert set(rule["annotations"]) == {"summary", "action"}
    assert all(len(text) > 15 for text in rule["annotations"].values())
    assert re.fullmatch(r"CeleryCamunda[A-Z]\w+", rule["alert"])
    promql.parse_duration(rule.get("for", "1m"))


def test_names_are_unique() -> None:
    names = [rule["alert"] for rule in alerts()]
    assert len(set(names)) == len(names)
    ids = [panel["id"] for panel in dashboard()["panels"]]
    assert len(set(ids)) == len(ids)


def test_settings_that_alerts_name_exist() -> None:
    known = (ROOT / ".env.example").read_text()
    text = (OPS / "prometheus/alerts.yaml").read_text()
    for name in set(re.findall(r"\b[A-Z]{2,}(?:_[A-Z]+)+\b", text)):
        assert f"#{name}=" in known, name


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_choices_of_the_dashboard_are_labels_of_metrics() -> None:
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            name, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]).groups()  # type: ignore[union-attr]
            assert label in METRICS[name].labels


def test_every_metric_is_somewhere_on_the_dashboard() -> None:
    text = json.dumps(dashboard())
    unseen = {metric.name for metric in catalogue() if not any(series in text for series in metric.series)}
    assert unseen == set()


def test_scrape_configuration_reads_the_alerts_and_the_jobs_that_they_name() -> None:
    document = yaml.safe_load((OPS / "prometheus/prometheus.yaml").read_text())
    for name in document["rule_files"]:
        assert (OPS / "prometheus" / name).is_file()
    jobs = [job["job_name"] for job in document["scrape_configs"]]
    assert jobs == ["celery-camunda-web", "celery-camunda-worker", "celery-camunda-beat"]
    assert all(job["static_configs"] for job in document["scrape_configs"])


def test_metrics_are_named_by_the_conventions_of_prometheus() -> None:
    for metric in catalogue():
        assert re.fullmatch(rf"{NAMESPACE}_[a-z]+(_[a-z]+)*", metric.name)
        assert metric.name.endswith("_total") == (metric.type == "counter"), metric.name
        assert metric.documentation.endswith((".", "ones."))
        assert not re.search(r"_(ms|millis|minutes|count)\b", metric.name)
        assert set(metric.labels) <= {
            *("process", "status", "outcome", "reason", "answer", "topic", "kind", "tick", "call"),
            *("method", "route", "type", "part", "queue", "worker", "error"),
        }, "a new label: add it here if it has few values"
