"""Clients of other projects work on the same engine: on other topics, and on the same topic during a migration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from camunda_bridge.client import Engine
from camunda_bridge.variables import to_engine
from testkit.isolation import delete_deployments
from tests.contract.bpmn import external, process
from tests.support.api import Api, eventually
from tests.support.other_clients import KINDS, OtherClient

#: the topic of tests/processes/mailer
SHARED = "send-mail"
#: instances that come while the other client ends nothing, and those that come while both end tasks
BEFORE, LATER = 20, 20

ClientOf = Callable[..., OtherClient]


@pytest.fixture(params=list(KINDS))
def client_of(request: pytest.FixtureRequest, engine_url: str, tmp_path: Path) -> Iterator[ClientOf]:
    """Start another client on topics; it is stopped after the test."""
    started = []

    def start(*topics: str) -> OtherClient:
        client = OtherClient(request.param, engine_url, list(topics), tmp_path)
        started.append(client)
        client.start()
        return client

    yield start
    for client in started:
        client.stop()
        # pytest shows it if the test failed.
        print(client.log)


@pytest.fixture
def key(engine: Engine) -> Iterator[str]:
    """The key of a process that others deploy; its deployments and instances are deleted after the test."""
    key = f"theirs-{uuid4().hex[:8]}"
    yield key
    delete_deployments(engine, key)


def start_all(engine: Engine, key: str, number: int) -> dict[str, str]:
    """Start instances as another system does: the instance ids by business key."""

    def start(business_key: str) -> tuple[str, str]:
        variables = to_engine({"address": f"{business_key}@example.org"})
        return business_key, engine.start(key, business_key, variables).id

    with ThreadPoolExecutor(4) as threads:
        return dict(threads.map(start, [f"{key}-{uuid4().hex[:8]}" for _ in range(number)]))


def ended(engine: Engine, instances: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The ended instances, by business key."""
    found = engine.historic_instances(list(instances.values()))
    return {instance["businessKey"]: instance for instance in found if instance["endTime"]}


def run_by(client: OtherClient) -> list[str]:
    """The business keys of the tasks that a client ran, once it has said that it ended each that it took."""
    eventually(lambda: sorted(client.ended) == sorted(client.taken), what="a client that ended what it took")
    return client.ended


def logged(api: Api, traceability_id: str, field: str) -> list[Any]:
    """A field of each event of a trace, once all of them are those of completed attempts."""

    def events() -> list[dict[str, Any]] | None:
        found = api.events(traceability_id)
        return found if found and all(event["phase"] == "completed" for event in found) else None

    return [event[field] for event in eventually(events, what="events of completed attempts")]


def health(api: Api) -> dict[str, Any]:
    """Every part of the health, without its times."""
    body = api.get("/health/ready").body
    return {"status": body["status"], **{name: part["up"] for name, part in body["parts"].items()}}


def test_step_of_another_client_and_one_of_ours_make_one_process(api: Api, client_of: ClientOf) -> None:
    before = health(api)
    client = client_of("make-offer")
    client.release()
    given = {"amount": 200, "tags": ["a", "ü"], "from": "2026-01-02T03:04:05.000+00:00"}

    answer = api.start("relay", given)

    assert answer.status == 200, answer.body
    assert answer.body["result"] == {
        "offer": {"price": 400, "tags": ["a", "ü"]},
        "validUntil": "2026-01-03T03:04:05.000Z",
    }
    assert logged(api, answer.body["traceabilityId"], "stepName") == ["respond"]
    assert run_by(client) == [answer.body["correlationId"]]
    assert client.errors == []
    assert health(api) == before
    ready = api.get("/health/ready").body
    assert (ready["status"], ready["topicsWithoutHandler"]["relay"]) == ("ready", ["make-offer"])


def test_failure_that_another_client_reports_is_an_incident_of_the_process(api: Api, client_of: ClientOf) -> None:
    client = client_of("make-offer")
    client.release()

    answer = api.start("relay", {"amount": -1, "tags": [], "from": "2026-01-02T03:04:05.000+00:00"})

    assert (answer.status, answer.body["type"].split("/")[-1]) == (500, "process-error")
    assert "no such amount" in str(answer.body), answer.body
    correlation_id = answer.body["correlationId"]
    assert run_by(client) == [correlation_id]
    assert api.call("POST", f"/api/process/{correlation_id}/cancel").status == 200
    assert client.errors == []


def test_process_of_others_has_their_step_and_one_of_our_workers(
    api: Api, engine: Engine, key: str, client_of: ClientOf
) -> None:
    client = client_of("make-offer")
    client.release()
    diagram = process(key, external("offer", topic="make-offer"), external("mail", topic=SHARED))
    engine.deploy(key, {"theirs.bpmn": diagram.encode()})
    given = {"address": "ada@example.org", "amount": 1, "tags": [], "from": datetime(2026, 1, 2, tzinfo=UTC)}
    instance = engine.start(key, key, to_engine(given))

    eventually(lambda: ended(engine, {key: instance.id}), what="an instance that has ended")

    assert ended(engine, {key: instance.id})[key]["state"] == "COMPLETED"
    left = engine.historic_variables(instance.id)
    assert left["mailed"]["value"] == f"ada@example.org for {key}.mail"
    assert (left["validUntil"]["type"], left["validUntil"]["value"][:10]) == ("Date", "2026-01-03")
    assert logged(api, instance.id, "metadata") == [{"processKey": key, "element": "mail"}]
    assert run_by(client) == [key]
    assert client.errors == []


def test_each_task_of_a_shared_topic_is_run_by_one_of_two_clients(
    api: Api, engine: Engine, key: str, client_of: ClientOf
) -> None:
    engine.deploy(key, {"theirs.bpmn": process(key, external("mail", topic=SHARED)).encode()})
    client = client_of(SHARED)
    instances = start_all(engine, key, BEFORE)
    # Both poll. The other client keeps what it takes; more come until it has as many as it works on at once.
    eventually(lambda: len(client.taken) == client.holds or instances.update(start_all(engine, key, 1)))
    # So it runs some of them, and it is our workers that end the first ones.
    eventually(lambda: ended(engine, instances), what="an instance that our workers ended")
    assert client.ended == []
    client.release()
    instances |= start_all(engine, key, LATER)

    eventually(lambda: len(ended(engine, instances)) == len(instances), 60, "instances that have all ended")

    assert {instance["state"] for instance in ended(engine, instances).values()} == {"COMPLETED"}
    theirs = run_by(client)
    assert len(set(theirs)) == len(theirs)
    for business_key, instance_id in instances.items():
        variables = engine.historic_variables(instance_id)
        log = engine.session.get("/history/external-task-log", processInstanceId=instance_id)
        kinds = Counter(name for entry in log for name in entry if name.endswith("Log") and entry[name])
        assert kinds == {"creationLog": 1, "successLog": 1}, log
        (success,) = [entry["workerId"] for entry in log if entry["successLog"]]
        address = f"{business_key}@example.org"
        if business_key in theirs:
            assert success == client.worker_id
            assert "mailed" not in variables
            assert variables["sentBy"]["value"].endswith(f"for {address}")
            assert api.events(instance_id) == []
        else:
            assert success != client.worker_id
            assert variables["mailed"]["value"] == f"{address} for {key}.mail"
            assert "sentBy" not in variables
            assert logged(api, instance_id, "correlationId") == [business_key]
    assert client.holds <= len(theirs) < len(instances)
    assert not [incident for incident in engine.incidents() if incident["processInstanceId"] in instances.values()]
    assert client.errors == []
