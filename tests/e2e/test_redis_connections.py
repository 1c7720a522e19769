"""A web process uses a few connections to Redis, however many requests start processes and wait."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import redis

from dev.stack import Stack
from tests.integration.threads import together
from tests.support.api import Answer, Api, eventually

WAITING = 300
#: processes that are ended while the others still wait
ENDED = 20
#: one for messages, one for the subscription of results, one for the rate limit
MOST = 3


def test_300_requests_that_start_wait_and_end_at_once_share_three_connections(tmp_path: Path) -> None:
    settings = {
        "CAMUNDA_BASE_URL": "http://127.0.0.1:9/engine-rest",
        "SYNC_TIMEOUT_MS": 10_000,
        "PROCESSES": "bench.processes",
        "MAX_WAITING_REQUESTS": WAITING,
        "RATE_LIMIT": "100000/hour",
    }
    stack = Stack(tmp_path, settings=settings, parts=("broker",))
    try:
        stack.start_parts(["broker"])
        stack.run("migrate", ["python", "-m", "store.migrate"])
        with redis.Redis.from_url(stack.environment.get("REDIS_URL"), decode_responses=True) as client:
            stack.start_parts(["web"])
            answers: list[Answer] = []
            api, most = Api(stack.url), 0
            requests = [
                threading.Thread(
                    target=lambda number=number: answers.append(api.start("bench-hold", None, f"wait-{number}")),
                    daemon=True,
                )
                for number in range(WAITING)
            ]
            for request in requests:
                request.start()

            def all_wait() -> bool:
                nonlocal most
                most = max(most, len(client.client_list()) - 1)
                return client.llen("starts") == WAITING and waiting() == WAITING

            def waiting() -> int:
                return int(api.get("/health/ready").body["waitingRequests"])

            eventually(all_wait, timeout_s=20)
            assert not answers
            most = max(most, len(client.client_list()) - 1)
            assert 2 <= most <= MOST, client.client_list()
            for number in range(ENDED):
                body = {"correlationId": f"wait-{number}", "status": "ok", "data": {"number": number}}
                assert api.call("POST", "/api/process/complete", body).status == 200
            assert len(client.client_list()) - 1 <= MOST, client.client_list()
            for request in requests:
                request.join(40)
            assert Counter(answer.status for answer in answers) == {200: ENDED, 202: WAITING - ENDED}
            numbers = [answer.body["result"]["number"] for answer in answers if answer.status == 200]
            assert sorted(numbers) == list(range(ENDED))

            cancelled = together(
                50, lambda number: api.call("POST", f"/api/process/wait-{ENDED + number}/cancel").status
            )
            assert cancelled == [200] * 50
            assert len(client.client_list()) - 1 <= MOST, client.client_list()
    finally:
        stack.stop()
