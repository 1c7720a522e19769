"""A retry of a process that has no instance in the engine yet."""

from __future__ import annotations

from typing import Any

import pytest

from camunda_bridge.client import Engine
from tests.support.facade import Facade


def test_incidents_of_other_processes_are_not_read(facade: Facade, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def incidents_of(_: Engine, instance_id: str) -> list[dict[str, Any]]:
        asked.append(instance_id)
        return []

    monkeypatch.setattr(Engine, "incidents_of", incidents_of)
    assert facade.start("order-1", Prefer="respond-async").status_code == 202

    answer = facade.http.post("/api/process/order-1/retry")

    assert asked == []
    assert (answer.status_code, (answer.json or {})["status"]) == (200, "pending")
