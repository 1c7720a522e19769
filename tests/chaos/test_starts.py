"""A start happens exactly once, however often it is sent, delivered or begun."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import redis

from tests.chaos.conftest import MakeStack
from tests.support.accounting import check_consistency
from tests.support.api import Api, eventually


def test_200_concurrent_starts_with_one_correlation_id_make_one_instance(make_stack: MakeStack) -> None:
    stack = make_stack()
    api = Api(stack.url)
    correlation_id = f"same-{uuid.uuid4()}"

    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(lambda _: api.start("five-steps", {"a": 1}, correlation_id), range(200)))

    assert {answer.status for answer in answers} == {200}
    assert len({str(answer.body) for answer in answers}) == 1
    check_consistency(stack, api, [correlation_id], "five-steps")


def test_start_that_is_delivered_three_times_makes_one_instance(make_stack: MakeStack) -> None:
    stack = make_stack(parts=("broker", "web"))
    api = Api(stack.url)
    answers = [api.start("five-steps", {}, f"twice-{uuid.uuid4()}", prefer="respond-async") for _ in range(20)]
    client = redis.Redis.from_url(stack.environment.get("REDIS_URL"))
    for message in client.lrange("starts", 0, -1):
        client.lpush("starts", message, message)

    stack.start_parts(["worker", "control", "beat"])

    check_consistency(stack, api, [answer.body["correlationId"] for answer in answers], "five-steps")


def test_worker_killed_while_it_starts_instances_leaves_one_of_each(make_stack: MakeStack) -> None:
    stack = make_stack(parts=("broker", "web"))
    api = Api(stack.url)
    answers = [api.start("five-steps", {}, f"killed-{uuid.uuid4()}", prefer="respond-async") for _ in range(60)]
    ids = [answer.body["correlationId"] for answer in answers]
    # A worker without beat begins. It is killed as soon as the first instances are known, while it starts the others.
    stack.start_parts(["worker"])
    eventually(lambda: any(api.status(item).body["processInstanceId"] for item in ids))

    stack["worker"].kill()

    stack["worker"].start()
    stack.start_parts(["control", "beat"])
    check_consistency(stack, api, ids, "five-steps")
