"""The private names of libraries that docs/design/borrowed.md lists: each is there, and the code uses no other."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import billiard.pool
import celery.events.dispatcher
import celery.worker.consumer.gossip
import celery.worker.request
import gunicorn.http.wsgi
import gunicorn.workers.gthread
import kombu.transport.redis
import marshmallow.fields
import prometheus_client.metrics
import prometheus_client.mmap_dict
import prometheus_client.values
import pytest
import werkzeug.local
from flask_smorest import Api
from kombu import Connection
from kombu.transport import TRANSPORT_ALIASES, virtual

from dev.environment import ROOT
from tasks.broker import transport

PAGE = (ROOT / "docs" / "design" / "borrowed.md").read_text()
PACKAGES = ("app", "service", "tasks", "camunda_bridge", "store", "telemetry", "testkit", "settings")

#: attributes of a class or module
OF_CLASS: list[tuple[Any, str]] = [
    (celery.worker.consumer.gossip.Gossip, "compatible_transports"),
    (kombu.transport.redis.Channel, "_brpop_start"),
    (gunicorn.workers.gthread.ThreadWorker, "_keepalive_after"),
    (gunicorn.workers.gthread.TConn, "init"),
    (gunicorn.http.wsgi, "SERVER"),
    (prometheus_client.metrics.MetricWrapperBase, "_is_observable"),
    (prometheus_client.metrics.MetricWrapperBase, "_metric_init"),
    (prometheus_client.values, "ValueClass"),
    (prometheus_client.values, "get_value_class"),
    (prometheus_client.mmap_dict, "MmapedDict"),
    (Api, "_register_error_handlers"),
    (marshmallow.fields.Field, "_deserialize"),
    (marshmallow.fields.Integer, "_validated"),
    (werkzeug.local.LocalProxy, "_get_current_object"),
]
#: attributes that a module gives to its instances
OF_INSTANCE: list[tuple[ModuleType, str]] = [
    (billiard.pool, "_pool"),
    (celery.worker.request, "_apply_result"),
    (celery.events.dispatcher, "_group_buffer"),
    (gunicorn.workers.gthread, "initialized"),
    (gunicorn.workers.gthread, "parser"),
    (prometheus_client.metrics, "_labelnames"),
]


@pytest.mark.parametrize(("owner", "name"), OF_CLASS, ids=[f"{owner.__name__}.{name}" for owner, name in OF_CLASS])
def test_class_or_module_has_it(owner: Any, name: str) -> None:
    assert hasattr(owner, name), f"{owner.__name__}.{name} is gone: see docs/design/borrowed.md"


@pytest.mark.parametrize(
    ("module", "name"), OF_INSTANCE, ids=[f"{module.__name__}.{name}" for module, name in OF_INSTANCE]
)
def test_instances_have_it(module: ModuleType, name: str) -> None:
    is_set = re.search(rf"self\.{name}(:[^=]+)? = ", inspect.getsource(module))
    assert is_set, f"{module.__name__} sets no {name}: see docs/design/borrowed.md"


@pytest.mark.parametrize("name", sorted({name for _, name in [*OF_CLASS, *OF_INSTANCE]}))
def test_page_names_it(name: str) -> None:
    assert re.search(rf"[`.]{name}`", PAGE)


def foreign_names() -> Iterator[tuple[str, str]]:
    """File and private name of each attribute of an object that is neither `self`, `cls` nor of the file's own."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text())
            own = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _is_self(node.value)}
            own |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name[:1] == "_"}
            for node in ast.walk(tree):
                if isinstance(node, ast.Attribute) and re.match(r"_[a-z]", node.attr) and not _is_self(node.value):
                    is_super = isinstance(node.value, ast.Call) and getattr(node.value.func, "id", "") == "super"
                    if is_super or node.attr not in own:
                        yield str(path.relative_to(ROOT)), node.attr


def _is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def test_code_uses_no_private_name_that_the_page_does_not_list() -> None:
    listed = {name for _, name in [*OF_CLASS, *OF_INSTANCE]} | {"_exit"}
    assert [(file, name) for file, name in foreign_names() if name not in listed] == []


def test_the_scan_finds_what_the_page_lists() -> None:
    found = {name for _, name in foreign_names()}
    assert {"_apply_result", "_labelnames", "_keepalive_after", "_deserialize"} <= found


def test_message_without_acknowledgement_costs_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TRANSPORT_ALIASES, "redis", f"{transport.__name__}:Transport")
    assert Connection("redis://127.0.0.1:9/0").get_transport_cls() is transport.Transport
    acknowledged: list[str] = []
    monkeypatch.setattr(virtual.Channel, "basic_ack", lambda _self, tag, multiple=False: acknowledged.append(tag))
    waiting = {"waits": object()}

    class Unconnected(transport.Channel):
        """The channel, without a connection."""

        def __init__(self) -> None:
            self._qos = type("Qos", (), {"get": waiting.__getitem__})()

    channel = Unconnected()
    channel.basic_ack("taken")
    channel.basic_ack("waits")
    assert acknowledged == ["waits"]
    channel.closed = True


def test_page_is_in_the_documentation() -> None:
    assert "borrowed.md" in Path(ROOT / "docs" / "design" / ".nav.yml").read_text()
