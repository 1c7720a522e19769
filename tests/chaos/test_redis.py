"""Redis that loses all data, or is unavailable for a while."""

from __future__ import annotations

import uuid
from pathlib import Path

import redis

from tests.chaos.conftest import SETTINGS, Load, MakeStack
from tests.support.accounting import check_consistency
from tests.support.api import Api, eventually
from tests.support.world import broken_world, children_of, threads_of


def test_nothing_is_lost_when_redis_is_emptied_under_load(make_stack: MakeStack) -> None:
    stack = make_stack()
    api = Api(stack.url)
    client = redis.Redis.from_url(stack.environment.get("REDIS_URL"))
    load = Load(api, "five-steps", {}, 150, prefer="wait=12")

    for _ in range(3):
        eventually(lambda: client.llen("starts") > 0 or client.dbsize() > 0)
        client.flushall()

    assert {answer.status for answer in load.answers()} <= {200, 202}
    check_consistency(stack, api, load.ids, "five-steps")


def test_redis_restarted_without_its_data_under_load(make_stack: MakeStack) -> None:
    stack = make_stack()
    api = Api(stack.url)
    load = Load(api, "probe", {"do": "sleep", "seconds": 0.3}, 50, prefer="wait=12")
    client = redis.Redis.from_url(stack.environment.get("REDIS_URL"))
    eventually(lambda: client.dbsize() > 0)

    away_id = f"while-redis-is-away-{uuid.uuid4()}"
    stack["broker"].kill()
    during = api.start("five-steps", {}, away_id)
    stack["broker"].start()

    # Workers, web and beat reconnect within 10 s. Starts were accepted at once, since their rows were written, and run
    # after that.
    assert during.status == 202
    assert during.seconds < 12
    eventually(lambda: api.get("/health/ready").body["status"] == "ready", timeout_s=10)
    assert {answer.status for answer in load.answers()} <= {200, 202}
    check_consistency(stack, api, load.ids, "probe")
    check_consistency(stack, api, [away_id], "five-steps")
    for name in ("worker", "control", "web", "beat"):
        assert stack[name].is_running
    fresh = api.start("five-steps")
    assert fresh.status == 200
    assert api.get("/health/ready").body["waitingRequests"] == 0


def test_no_request_hangs_past_its_wait_while_redis_is_slow_or_silent(tmp_path: Path, engine_url: str) -> None:
    with broken_world(tmp_path, engine_url, SETTINGS) as world:
        warm = Load(world.api, "five-steps", {}, 20)
        assert {answer.status for answer in warm.answers()} == {200}
        # gunicorn's worker, which answers; its parent always has one thread
        (server,) = children_of(world.stack["web"].pid)
        threads = threads_of(server)

        world.redis.slow(0.1)
        slow = Load(world.api, "five-steps", {}, 10, prefer="wait=3")
        answers = slow.answers()
        world.redis.freeze()
        silent = Load(world.api, "five-steps", {}, 10, prefer="wait=3")
        answers += silent.answers()
        world.redis.cut()
        world.redis.forward()

        assert {answer.status for answer in answers} <= {200, 202}
        # the wait and one time-out of a publication
        assert max(answer.seconds for answer in answers) < 3 + 4
        check_consistency(world.stack, world.api, [*slow.ids, *silent.ids], "five-steps")
        assert threads_of(server) <= threads + 10
