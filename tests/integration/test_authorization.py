"""An engine that checks authorizations: the permissions in the guide suffice, and each of them is missed by name."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from camunda_bridge.client import Engine
from camunda_bridge.deployed import DeployedDiagrams
from camunda_bridge.engine import permissions
from camunda_bridge.engine.locked_task import LockedTask, Topic
from camunda_bridge.errors import NotDeployed, NotFound, PermissionMissing, Unauthorized
from camunda_bridge.locks import new_token
from camunda_bridge.task_fate import Fate, fate_of
from dev.broker import Broker
from service.errors import OperationRefused
from service.health import Health
from service.messages import correlate_message
from service.retry import retry_incidents
from settings import Settings
from store.clock import now
from store.event_rows import COMPLETED, COMPLETING
from store.models import event_log, process_store
from store.process_rows import ERROR, PENDING, NewProcess, ProcessRow
from tasks.broker.start_throttle import PAUSED_KEY
from tasks.broker.worker_capacity import send_heartbeat
from tasks.settling import reconcile
from tasks.settling.missing_permissions import MISSING_KEY, log_permissions
from tasks.starts.start import start_process
from tests.contract.bpmn import boundary, call, expression, external, process, receive
from tests.contract.engine import eventually
from tests.integration.step_bench import Bench
from tests.support.facade import Facade
from tests.support.permissions import ADMIN, KEY, PASSWORD, Grant, Users, documented, guarded_engine

LOCK_MS = 60_000
OF_PROCESS = "ProcessDefinition"
#: the permissions without which the engine hides things
SILENT = ("READ", "READ_INSTANCE", "UPDATE_INSTANCE", "READ_HISTORY")


@pytest.fixture(scope="module")
def users() -> Iterator[Users]:
    """The users of an engine that checks authorizations."""
    with guarded_engine() as users:
        yield users


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check each permission anew, because the tests change them."""
    monkeypatch.setattr(permissions, "GRANTED_LIFETIME_S", 0.0)
    monkeypatch.setattr(permissions, "LIFETIME_S", 0.0)


@pytest.fixture
def key() -> str:
    return f"guarded-{uuid.uuid4().hex[:12]}"


def client(users: Users, user: str, password: str = PASSWORD, tenant: str = "") -> Engine:
    settings = Settings(
        camunda_base_url=users.base_url,
        camunda_auth="basic",
        camunda_username=user,
        camunda_password=password,
        camunda_tenant_id=tenant,
    )
    return Engine.from_settings(settings)


def without(dropped: Grant) -> list[Grant]:
    return [grant for grant in documented() if grant != dropped]


def named(permission: str, resource: str, resource_id: str = "") -> str:
    """A part of the message that names a missing permission."""
    return f"'{permission}' permission on resource '{resource_id or resource}'"


def fetch(engine: Engine, key: str, step: str = "a", instance_id: str = "") -> tuple[LockedTask, str]:
    token, topics = new_token(), [Topic(f"{key}.{step}")]
    lock: dict[str, Any] = {"token": token, "lock_duration_ms": LOCK_MS, "max_tasks": 1}
    found = engine.lock_ready(instance_id, topics, **lock) if instance_id else engine.fetch_and_lock(topics, **lock)
    (task,) = found
    return task, token


def test_the_documented_permissions_suffice_for_every_request(users: Users, key: str) -> None:
    child = f"{key}-child"
    engine = client(users, users.add(documented(), key, child))
    files = {
        "main.bpmn": process(
            key,
            external("a"),
            boundary("a", external("caught"), code="E"),
            call("called", child, business_key=True),
            receive("wait", f"{key}-go"),
            expression("job", "${fails}", asyncBefore="true"),
        ).encode(),
        "child.bpmn": process(child, external("c")).encode(),
    }

    assert len(engine.deploy(key, files)) == 2
    newest = engine.newest_definitions([key, child])
    deployment_id = engine.newest_deployment({key, child}) or ""
    assert engine.deployment_files(deployment_id) == files
    assert engine.deployment(deployment_id)["name"] == key
    assert engine.definition_file(newest[key]["id"]) == files["main.bpmn"]
    assert [version.key for version in DeployedDiagrams(lambda: engine).versions(key)] == [key]

    instance = engine.start(key, key, {"text": {"type": "String", "value": "x"}, "raw": {"type": "Bytes", "value": ""}})
    assert engine.is_running(instance.id)
    assert [item["id"] for item in engine.instances_by_business_key(key, key)] == [instance.id]
    assert engine.running_instances([instance.id]) == engine.without_incident([instance.id]) == {instance.id}
    assert engine.running_count(key) == 1
    assert f"{key}.a" in engine.waiting_topics()
    assert len(engine.waiting_tasks(f"{key}.a")) == 1

    task, token = fetch(engine, key)
    engine.extend_lock(task.id, token, LOCK_MS)
    engine.failure(task.id, token, "no luck", "trace", retries=0, retry_timeout_ms=0)
    (incident,) = engine.incidents_of(instance.id)
    assert incident["id"] in {item["id"] for item in engine.incidents()}
    assert engine.incident(incident["id"])["incidentMessage"] == "no luck"
    engine.set_task_retries(task.id, 1)
    assert engine.unlock(task.id, token)
    task, token = eventually(lambda: _try(lambda: fetch(engine, key, instance_id=instance.id)), "an unlocked task")
    assert engine.external_task(task.id) is not None
    assert fate_of(engine, task.id, token).fate is Fate.OPEN
    assert engine.activity_tree(instance.id)
    (raw,) = engine.variables_named(instance.id, "raw")
    engine.variable_data(raw["id"])
    assert engine.running_variable(instance.id, "text")
    engine.complete(task.id, token, {})
    assert fate_of(engine, task.id, token).fate is Fate.COMPLETED

    task, token = fetch(engine, child, "c")
    caller = engine.calling_instance(task.process_instance_id)
    assert caller is not None
    assert caller["id"] == instance.id
    assert engine.calling_activity(instance.id, task.process_instance_id) == "called"
    engine.complete(task.id, token, {"done": {"type": "Boolean", "value": True}})
    assert engine.correlate(f"{key}-go", instance_id=instance.id, variables={})
    job = eventually(lambda: engine.incidents_of(instance.id), "an incident of the job")[0]
    engine.set_job_retries(job["configuration"], 1)

    assert engine.historic_variables(instance.id)["done"]["value"] is True
    assert [item["id"] for item in engine.historic_instances([instance.id])] == [instance.id]
    assert len(engine.called_by(instance.id)) == 1
    assert engine.activities(instance.id)
    assert engine.newest_activities(instance.id, limit=10)
    assert engine.newest_task_places(instance.id, limit=10)
    assert engine.delete_instance(instance.id, "test")
    assert instance.id in {item["id"] for item in engine.finished_after(now() - timedelta(hours=1), first=0)}
    assert engine.newest_end() is not None
    assert engine.delete_history(instance.id)

    bpmn_error = engine.start(key, f"{key}-2", {})
    task, token = fetch(engine, key)
    engine.bpmn_error(task.id, token, "E", "expected", {})
    assert fate_of(engine, task.id, token).fate is Fate.REMOVED
    assert fetch(engine, key, "caught")[0].process_instance_id == bpmn_error.id
    assert engine.missing_permissions([key, child]) == []
    engine.require_permissions(key, child)


def _try(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except ValueError:
        return None


@pytest.mark.parametrize("dropped", documented(), ids=str)
def test_each_permission_that_is_missing_is_named(users: Users, key: str, dropped: Grant) -> None:
    full = client(users, users.add(documented(), key))
    full.deploy(key, {"a.bpmn": process(key, external("a")).encode()})
    deployment_id = full.newest_deployment({key}) or ""
    running, ended = full.start(key, key, {}), full.start(key, key, {})
    full.delete_instance(ended.id, "test")
    engine = client(users, users.add(without(dropped), key))
    uses: dict[tuple[str, str], Callable[[], object]] = {
        ("Deployment", "CREATE"): lambda: engine.deploy(key, {"a.bpmn": process(key, external("b")).encode()}),
        ("Deployment", "READ"): lambda: engine.deployment_files(deployment_id),
        (OF_PROCESS, "READ"): lambda: engine.newest_definitions([key]),
        (OF_PROCESS, "CREATE_INSTANCE"): lambda: engine.start(key, key, {}),
        ("ProcessInstance", "CREATE"): lambda: engine.start(key, key, {}),
        (OF_PROCESS, "DELETE_INSTANCE"): lambda: engine.delete_instance(running.id, "test"),
        (OF_PROCESS, "DELETE_HISTORY"): lambda: engine.delete_history(ended.id),
    }
    use = uses.get((dropped.resource, dropped.permission), lambda: engine.require_permissions(key))

    with pytest.raises(PermissionMissing) as refused:
        use()

    where = {OF_PROCESS: key, "Deployment": deployment_id if dropped.permission == "READ" else "Deployment"}
    assert named(dropped.permission, where.get(dropped.resource, dropped.resource)) in str(refused.value)
    missing = engine.missing_permissions([key])
    optional = {(need.resource.name, need.name) for need in permissions.NEEDED if need.is_optional}
    if (dropped.resource, dropped.permission) in optional:
        assert missing == []
    else:
        at = key if dropped.id == KEY else "*"
        assert missing == [f"'{dropped.permission}' permission on resource '{at}' of type '{dropped.resource}'"]


@pytest.mark.parametrize("permission", SILENT)
def test_without_these_permissions_the_engine_shows_nothing_and_refuses_nothing(
    users: Users, key: str, permission: str
) -> None:
    full = client(users, users.add(documented(), key))
    full.deploy(key, {"a.bpmn": process(key, external("a")).encode()})
    instance = full.start(key, key, {})
    engine = client(users, users.add(without(Grant(OF_PROCESS, KEY, permission)), key))

    hidden = {
        "READ": lambda: engine.statistics() == [],
        "READ_INSTANCE": lambda: not engine.running_instances([instance.id]),
        "UPDATE_INSTANCE": lambda: (
            not engine.fetch_and_lock([Topic(f"{key}.a")], token="t", lock_duration_ms=LOCK_MS, max_tasks=1)
        ),
        "READ_HISTORY": lambda: engine.historic_instance(instance.id) is None,
    }

    assert hidden[permission]()


def test_permissions_on_all_instances_serve_instead_of_those_on_the_process(users: Users, key: str) -> None:
    short = {"READ_INSTANCE": "READ", "UPDATE_INSTANCE": "UPDATE", "DELETE_INSTANCE": "DELETE"}
    grants = [
        Grant("ProcessInstance", "*", short[grant.permission]) if grant.permission in short else grant
        for grant in documented()
    ]
    engine = client(users, users.add(grants, "*"))
    engine.deploy(key, {"a.bpmn": process(key, external("a")).encode()})
    instance = engine.start(key, key, {})
    task, token = fetch(engine, key)
    engine.failure(task.id, token, "no luck", "", retries=1, retry_timeout_ms=0)
    assert engine.missing_permissions([key]) == []
    assert engine.delete_instance(instance.id, "test")


def test_a_process_that_the_engine_hides_does_not_count_as_not_deployed(users: Users, key: str) -> None:
    client(users, users.add(documented(), key)).deploy(key, {"a.bpmn": process(key, external("a")).encode()})
    engine = client(users, users.add([]))
    with pytest.raises(NotDeployed, match="'READ' permission"):
        DeployedDiagrams(lambda: engine).versions(key)


def test_the_user_of_a_tenant_must_be_its_member(users: Users, key: str) -> None:
    tenant = f"tenant{uuid.uuid4().hex[:8]}"
    user = users.add(documented(), key)
    engine = client(users, user, tenant=tenant)
    # The engine lets anybody deploy for a tenant.
    engine.deploy(key, {"a.bpmn": process(key, external("a")).encode()})
    assert engine.newest_definitions([key]) == {}
    with pytest.raises(NotFound, match=tenant):
        engine.start(key, key, {})

    users.join(user, tenant)

    assert key in engine.newest_definitions([key])
    instance = engine.start(key, key, {})
    task, token = fetch(engine, key)
    assert (task.process_instance_id, task.tenant_id) == (instance.id, tenant)
    engine.complete(task.id, token, {})
    ended = engine.historic_instance(instance.id)
    assert ended is not None
    assert ended["state"] == "COMPLETED"


def test_a_refused_login_is_no_missing_permission(users: Users, key: str) -> None:
    engine = client(users, users.add(documented(), key), "wrong")
    engine.require_permissions(key)
    with pytest.raises(Unauthorized):
        engine.version()


def test_an_engine_without_authorization_lacks_no_permission(engine_url: str, key: str) -> None:
    named_engine = Settings(
        camunda_base_url=engine_url, camunda_auth="basic", camunda_username=ADMIN[0], camunda_password=ADMIN[1]
    )
    for settings in (named_engine, Settings(camunda_base_url=engine_url)):
        assert Engine.from_settings(settings).missing_permissions([key]) == []


# -- what the parts of the system do


class Guarded(Bench):
    """A bench whose technical user has exactly the documented permissions, until the test takes one."""

    def __init__(self, facade: Facade, folder: Path, users: Users) -> None:
        super().__init__(facade.runtime, folder)
        self.users = users
        self.user = facade.settings.camunda_username
        for grant in documented():
            if grant.id == KEY:
                users.grant(self.user, grant._replace(id=self.key))

    def revoke(self, permission: str) -> None:
        self.users.revoke(self.user, Grant(OF_PROCESS, self.key, permission))

    def grant(self, permission: str) -> None:
        self.users.grant(self.user, Grant(OF_PROCESS, self.key, permission))

    def accept(self, instance_id: str = "") -> ProcessRow:
        """Accept a start; with an instance if one is given."""
        redis = self.runtime.redis
        redis.flushall()
        send_heartbeat(redis, "worker@here", 8, 0)
        new = NewProcess(uuid.uuid4(), self.key, "0" * 64, self.key, {}, f"trace-{self.key}")
        assert self.runtime.processes.accept(new)
        if instance_id:
            self.runtime.processes.claim(new.id, "token", for_s=60)
            self.runtime.processes.record_instance(new.id, instance_id)
        return self.row(new.id)

    def row(self, row_id: uuid.UUID) -> ProcessRow:
        row = self.runtime.processes.by_id(row_id)
        assert row is not None
        return row

    def instances(self) -> list[Any]:
        return client(self.users, *ADMIN).instances_by_business_key(self.key, self.key)


@pytest.fixture
def guarded(
    users: Users, broker: Broker, tmp_path: Path, migrated_file: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Guarded]:
    (tmp_path / "store.db").write_bytes(migrated_file.read_bytes())
    settings = Settings(
        database_url=f"sqlite:///{tmp_path / 'store.db'}",
        redis_url=broker.url,
        camunda_base_url=users.base_url,
        camunda_auth="basic",
        camunda_username=users.add([grant for grant in documented() if grant.id != KEY]),
        camunda_password=PASSWORD,
        lock_duration_ms=6_000,
        camunda_timeout_ms=5_000,
    )
    facade = Facade(settings, monkeypatch)
    bench = Guarded(facade, tmp_path, users)
    yield bench
    # Other tests use this broker, with engines that refuse nothing.
    bench.runtime.redis.delete(MISSING_KEY)
    bench.runtime.__dict__["engine"] = client(users, *ADMIN)
    bench.close()
    facade.close()


@pytest.mark.parametrize("permission", [*SILENT, "CREATE_INSTANCE"])
def test_a_start_without_a_permission_ends_at_once_with_an_error_that_names_it(
    guarded: Guarded, permission: str
) -> None:
    guarded.deploy({})
    row = guarded.accept()
    guarded.revoke(permission)

    start_process(str(row.id))

    row = guarded.row(row.id)
    assert row.status == ERROR
    assert row.error is not None
    assert (row.error["code"], row.error["type"]) == ("START_REFUSED", "PermissionMissing")
    assert named(permission, guarded.key) in row.error["message"]
    assert guarded.instances() == []
    # Nothing is sent again, and the starts of other processes go on.
    assert guarded.runtime.redis.llen("starts") == 0
    assert guarded.runtime.redis.get(PAUSED_KEY) is None


def test_a_start_with_all_permissions_fetches_its_first_step(guarded: Guarded) -> None:
    guarded.deploy({})
    row = guarded.accept()

    start_process(str(row.id))

    assert guarded.row(row.id).process_instance_id is not None
    assert guarded.runtime.redis.llen(f"steps.{guarded.key}") == 1


def test_an_outcome_that_the_engine_refuses_is_reported_once_when_the_permission_is_back(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded.deploy({"n": 1}, external("b"))
    message = guarded.start()
    guarded.revoke("UPDATE_INSTANCE")
    sent = guarded.engine.session.requests_sent

    assert guarded.run(message).phase == COMPLETING

    # One attempt to report it, and none to report a failure of it.
    assert guarded.engine.session.requests_sent - sent < 8
    assert guarded.fetch_if_any() is None
    guarded.grant("UPDATE_INSTANCE")
    assert guarded.engine.unlock(message.task.id, message.token)
    guarded.run(guarded.fetch())
    assert len(guarded.calls) == 1
    assert COMPLETED in [row.phase for row in guarded.events()]


@pytest.mark.parametrize("permissions_taken", [("READ_HISTORY", "READ_INSTANCE"), ("READ_HISTORY",)])
def test_a_running_process_that_the_engine_hides_is_not_lost(
    guarded: Guarded, permissions_taken: tuple[str, ...]
) -> None:
    guarded.deploy({})
    row = guarded.accept(guarded.start().task.process_instance_id)
    with guarded.runtime.database.write() as connection:
        connection.execute(sa.update(process_store).values(updated_at=now() - timedelta(hours=1)))
    for permission in permissions_taken:
        guarded.revoke(permission)

    reconcile.sweep_running()

    assert guarded.row(row.id).status == PENDING


def test_an_open_attempt_whose_task_the_engine_hides_stays_open(guarded: Guarded) -> None:
    guarded.deploy({}, external("b"))
    message = guarded.start()
    guarded.revoke("UPDATE_INSTANCE")
    assert guarded.run(message).phase == COMPLETING
    guarded.revoke("READ_INSTANCE")
    guarded.revoke("READ_HISTORY")
    with guarded.runtime.database.write() as connection:
        connection.execute(sa.update(event_log).values(updated_at=now() - timedelta(minutes=10)))

    reconcile.resolve_attempts()

    assert [row.phase for row in guarded.events()] == [COMPLETING]


def test_ops_get_the_engines_words(guarded: Guarded) -> None:
    guarded.deploy({}, external("b"))
    message = guarded.start()
    row = guarded.accept(message.task.process_instance_id)
    guarded.engine.failure(message.task.id, message.token, "broken", "", retries=0, retry_timeout_ms=0)
    guarded.revoke("UPDATE_INSTANCE")
    with pytest.raises(OperationRefused, match="'UPDATE_INSTANCE' permission"):
        retry_incidents(row, actor="ops")
    with pytest.raises(OperationRefused, match="'UPDATE_INSTANCE' permission"):
        correlate_message(row, "go", {}, actor="ops")
    guarded.grant("UPDATE_INSTANCE")
    guarded.revoke("READ_INSTANCE")
    with pytest.raises(OperationRefused, match="'READ_INSTANCE' permission"):
        retry_incidents(row, actor="ops")


def test_health_and_log_list_what_is_missing(guarded: Guarded, caplog: pytest.LogCaptureFixture) -> None:
    guarded.deploy({})
    guarded.runtime.redis.flushall()
    guarded.revoke("UPDATE_INSTANCE")
    text = f"'UPDATE_INSTANCE' permission on resource '{guarded.key}' of type 'ProcessDefinition'"

    reconcile.check_permissions()
    part = Health(guarded.runtime).parts()["permissions"]

    assert not part.up
    assert text in part.facts["missing"]
    assert f"permission missing in the engine: {text}; grant it to the technical user" in caplog.text
    guarded.grant("UPDATE_INSTANCE")
    log_permissions(guarded.runtime)
    assert text not in Health(guarded.runtime).parts()["permissions"].facts["missing"]
