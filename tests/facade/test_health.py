"""Readiness: its checks take a bounded time, many requests share one check, and a fault keeps its first time."""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from service import health as health_module
from service import topics
from service.health import Health
from tasks.runtime import KEY_PREFIX
from tasks.settling.history_log import note_missing_log
from tests.support.facade import Facade


def test_many_requests_at_once_share_one_check(facade: Facade, monkeypatch: pytest.MonkeyPatch) -> None:
    pings: list[str] = []
    ping = facade.runtime.database.ping

    def slow_ping() -> None:
        pings.append(threading.current_thread().name)
        time.sleep(0.05)
        ping()

    monkeypatch.setattr(facade.runtime.database, "ping", slow_ping)
    health = Health(facade.runtime)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: health.parts(), range(200)))
    assert len(pings) == 1
    assert {answer["database"].up for answer in answers} == {True}


def test_check_that_hangs_delays_no_request_for_long_and_is_not_started_again(
    facade: Facade, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_module, "DEADLINE_S", 0.2)
    monkeypatch.setattr(health_module, "LIFETIME_S", 0.0)
    go_on, asked = threading.Event(), []

    def hang() -> None:
        asked.append(1)
        go_on.wait(30)

    monkeypatch.setattr(facade.runtime.database, "ping", hang)
    health = Health(facade.runtime)
    try:
        begun = time.monotonic()
        first, second = health.parts()["database"], health.parts()["database"]
        assert time.monotonic() - begun < 5
        assert not first.up
        assert first.detail.startswith("no answer within")
        assert second.since == first.since
        assert len(asked) == 1
    finally:
        go_on.set()


def test_request_gets_the_last_answer_while_another_request_checks(
    facade: Facade, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_module, "LIFETIME_S", 0.0)
    health = Health(facade.runtime)
    before = health.parts()
    with health._lock:
        assert health.parts() is before


def test_engine_without_a_log_is_remembered_with_the_first_time(facade: Facade) -> None:
    assert Health(facade.runtime).parts()["history"].up
    note_missing_log(facade.runtime.redis)
    since = Health(facade.runtime).parts()["history"].since
    note_missing_log(facade.runtime.redis)
    history = Health(facade.runtime).parts()["history"]
    assert not history.up
    assert history.since == since
    body = facade.http.get("/health/ready").json
    assert body is not None
    assert body["status"] == "degraded"
    assert "FULL" in body["parts"]["history"]["detail"]


def test_beat_is_down_since_its_last_tick(facade: Facade) -> None:
    facade.runtime.redis.set(f"{KEY_PREFIX}ticked:poll", 1_600_000_000.0)
    body = facade.http.get("/health/ready").json
    assert body is not None
    assert body["parts"]["beat"]["since"] == "2020-09-13T12:26:40.000Z"


def test_times_of_one_answer_have_one_form(facade: Facade) -> None:
    facade.runtime.redis.set(f"{KEY_PREFIX}ticked:poll", time.time())
    topics.pause(["onboard-user.respond"], None, actor="ada")
    body = facade.http.get("/health/ready").json
    assert body is not None
    times = [body["parts"]["beat"]["lastTick"], body["parts"]["engine"]["since"], *body["pausedTopics"].values()]
    assert len(times) == 3
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text) for text in times)
