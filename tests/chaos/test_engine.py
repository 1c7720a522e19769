"""An engine that is killed or frozen, and continues with its own data."""

from __future__ import annotations

import signal
import time

from tests.chaos.conftest import Load, MakeStack
from tests.support.accounting import check_consistency
from tests.support.api import Api, eventually


def test_engine_killed_and_restarted_on_its_data(make_stack: MakeStack) -> None:
    stack = make_stack(own_engine=True)
    api = Api(stack.url)
    before = Load(api, "five-steps", {}, 60, prefer="wait=5")
    eventually(lambda: any(answer.status == 200 for answer in [api.status(before.ids[0])]), what="the first end")

    stack["engine"].kill()
    during = Load(api, "five-steps", {}, 30, prefer="wait=2")
    assert {answer.status for answer in during.answers()} == {202}
    lines = stack["worker"].log_text() + stack["control"].log_text()
    stack["engine"].start()
    stack["engine"].wait_ready(60)

    assert {answer.status for answer in before.answers()} <= {200, 202}
    check_consistency(stack, api, [*before.ids, *during.ids], "five-steps")
    # one line a change of state and process of the system, not one a call
    assert lines.count("engine unavailable:") <= 8 + 2 + 1


def test_engine_frozen_for_longer_than_its_time_out(make_stack: MakeStack) -> None:
    stack = make_stack(own_engine=True)
    api = Api(stack.url)
    load = Load(api, "five-steps", {}, 40, prefer="wait=3")
    eventually(lambda: api.status(load.ids[0]).status == 200, what="the first end")
    engine = stack["engine"]

    engine.signal(signal.SIGSTOP)
    frozen_at = time.monotonic()
    late = Load(api, "five-steps", {}, 10, prefer="wait=1")
    assert {answer.status for answer in late.answers()} == {202}
    eventually(lambda: time.monotonic() - frozen_at > 5)
    engine.signal(signal.SIGCONT)

    assert {answer.status for answer in load.answers()} <= {200, 202}
    check_consistency(stack, api, [*load.ids, *late.ids], "five-steps")
