"""Redis that loses everything, or is away for a while."""

from __future__ import annotations

import time

import redis

from tests.chaos.conftest import Load, MakeStack
from tests.support.accounting import check_books
from tests.support.api import Api, eventually


def test_nothing_is_lost_when_redis_is_emptied_under_load(make_stack: MakeStack) -> None:
    stack = make_stack()
    api = Api(stack.url)
    client = redis.Redis.from_url(stack.environment.get("REDIS_URL"))
    load = Load(api, "five-steps", {}, 150, prefer="wait=12")

    for _ in range(3):
        eventually(lambda: client.llen("starts") > 0 or client.dbsize() > 0)
        client.flushall()

    assert {answer.status for answer in load.answers()} <= {200, 202}
    check_books(stack, api, load.ids, "five-steps")


def test_redis_restarted_without_its_data_under_load(make_stack: MakeStack) -> None:
    stack = make_stack()
    api = Api(stack.url)
    load = Load(api, "probe", {"do": "sleep", "seconds": 0.3}, 50, prefer="wait=12")
    client = redis.Redis.from_url(stack.environment.get("REDIS_URL"))
    eventually(lambda: client.dbsize() > 0)

    stack["broker"].kill()
    during = api.start("five-steps", {}, "while-redis-is-away")
    stack["broker"].start()
    back_at = time.monotonic()

    # The row was written: accepted at once, started when the broker is back.
    assert during.status == 202
    assert during.seconds < 12
    eventually(lambda: api.get("/health/ready").body["status"] == "ready", timeout_s=20)
    assert time.monotonic() - back_at < 20
    assert {answer.status for answer in load.answers()} <= {200, 202}
    check_books(stack, api, load.ids, "probe")
    check_books(stack, api, ["while-redis-is-away"], "five-steps")
    for name in ("worker", "control", "web", "beat"):
        assert stack[name].is_running
    fresh = api.start("five-steps", {}, "after-redis-came-back")
    assert fresh.status == 200
    assert api.get("/health/ready").body["waitingRequests"] == 0
