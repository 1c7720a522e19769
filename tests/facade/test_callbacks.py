"""`callbackUrl` at the facade, and the settings of webhooks."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from settings import Settings, SettingsError, load
from store.process_rows import OK, Ending
from tests.support.facade import USER, Facade, problem

SECRET = "whsec_" + "A" * 32
URL = "https://hooks.example.com/a?token=secret"
BODY = {"processKey": "onboard-user", "correlationId": "order-1", "variables": USER, "callbackUrl": URL}


def test_callback_is_refused_while_webhooks_are_off(facade: Facade) -> None:
    body = problem(facade.post("/api/process/start", BODY), 422, "invalid-callback")
    assert "CALLBACK_HOSTS" in body["errors"]["callbackUrl"][0]
    assert facade.rows() == []
    document = facade.http.get("/openapi.json").json or {}
    assert "callbackUrl" not in document["components"]["schemas"]["Start.onboard-user"]["properties"]


def test_callback_is_kept_shown_without_its_query_and_part_of_the_request(facade: Facade) -> None:
    facade.change(callback_hosts=["hooks.example.com"], callback_secrets=[SECRET])
    assert facade.post("/api/process/start", BODY, Prefer="respond-async").status_code == 202
    assert facade.rows()[0].callback_url == URL
    replay = facade.post("/api/process/start", BODY, Prefer="respond-async")
    assert replay.headers["Idempotency-Replayed"] == "true"
    other = {**BODY, "callbackUrl": URL + "2"}
    problem(facade.post("/api/process/start", other), 409, "correlation-id-conflict")

    shown = facade.http.get("/api/process/status/order-1").json or {}
    assert shown["callback"]["status"] == "waiting"
    assert shown["callback"]["url"] == "https://hooks.example.com/a?..."
    assert "secret" not in str(shown)
    document = facade.http.get("/openapi.json").json or {}
    assert "hooks.example.com" not in str(document)
    schema = {"$ref": "#/components/schemas/StatusAnswer", "components": document["components"]}
    Draft202012Validator(schema).validate(shown)
    assert "callbackUrl" in document["components"]["schemas"]["Start.onboard-user"]["properties"]


@pytest.mark.parametrize("url", [None, 5, "", "x" * 2001])
def test_callback_that_is_no_text_of_its_length_is_named(facade: Facade, url: object) -> None:
    facade.change(callback_hosts=["hooks.example.com"], callback_secrets=[SECRET])
    body = problem(facade.post("/api/process/start", {**BODY, "callbackUrl": url}), 422, "invalid-fields")
    assert set(body["errors"]) == {"callbackUrl"}


def test_process_without_callback_shows_none_and_asks_nothing(facade: Facade) -> None:
    facade.start("order-1", Prefer="respond-async")
    facade.runtime.processes.settle(facade.rows()[0].id, Ending(OK))
    assert (facade.http.get("/api/process/status/order-1").json or {})["callback"] is None


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"CALLBACK_HOSTS": "a.example"}, "CALLBACK_HOSTS needs CALLBACK_SECRETS"),
        ({"CALLBACK_HOSTS": "https://a.example/path"}, "CALLBACK_HOSTS: 'https://a.example/path'"),
        ({"CALLBACK_HOSTS": "ftp://a.example"}, "CALLBACK_HOSTS: 'ftp://a.example'"),
        ({"CALLBACK_HOSTS": "a.example:70000"}, "CALLBACK_HOSTS: 'a.example:70000'"),
        ({"CALLBACK_HOSTS": "a b"}, "CALLBACK_HOSTS: 'a b'"),
        ({"CALLBACK_NETWORKS": "10.0.0.1/8"}, "CALLBACK_NETWORKS: '10.0.0.1/8'"),
        ({"CALLBACK_SECRETS": "secret-text"}, "CALLBACK_SECRETS: entry 1"),
        ({"CALLBACK_SECRETS": f"{SECRET},whsec_{'A' * 8}"}, "CALLBACK_SECRETS: entry 2"),
        ({"CALLBACK_HOSTS": "a.example", "CALLBACK_SECRETS": SECRET, "CALLBACK_SOURCE": " "}, "CALLBACK_SOURCE"),
    ],
)
def test_settings_that_contradict_stop_the_start(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as error:
        load()
    assert said in str(error.value)
    assert "secret-text" not in str(error.value)


def test_secrets_are_not_shown() -> None:
    assert SECRET not in repr(Settings(callback_secrets=[SECRET]))
