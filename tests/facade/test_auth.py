"""API keys and scopes: which calls are allowed, which are refused, and the refusals."""

from __future__ import annotations

import base64
import hmac

import pytest

from app.security import api_keys
from dev.ports import free_port
from tests.support.facade import Facade, problem

PATH = "/api/process/status/nobody"


@pytest.fixture
def key(facade: Facade) -> str:
    """A key with the scope for reading, in a facade with AUTH=on."""
    key, entry = api_keys.new_entry("reader", ["process:read"])
    facade.change(auth="on", api_keys=[entry])
    return key


def test_auth_off_lets_everybody_in(facade: Facade) -> None:
    problem(facade.http.get(PATH), 404, "unknown-correlation-id")


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
def test_key_opens_what_its_scope_covers(facade: Facade, key: str, header: str) -> None:
    value = f"Bearer {key}" if header == "Authorization" else key
    problem(facade.http.get(PATH, headers={header: value}), 404, "unknown-correlation-id")


def test_call_without_a_key_gets_a_challenge(facade: Facade, key: str) -> None:
    response = facade.http.get(PATH)
    problem(response, 401, "unauthorized")
    assert response.headers["WWW-Authenticate"].startswith("Bearer ")


def test_unknown_key_is_refused_and_not_repeated(facade: Facade, key: str) -> None:
    response = facade.http.get(PATH, headers={"X-API-Key": key + "x"})
    problem(response, 401, "unauthorized")
    assert key not in response.text


def test_missing_scope_is_named(facade: Facade, key: str) -> None:
    response = facade.start("order-1", Authorization=f"Bearer {key}")
    assert problem(response, 403, "forbidden")["requiredScope"] == "process:start"
    assert facade.rows() == []


@pytest.mark.parametrize("path", ["/health/live", "/openapi.json", "/docs", "/problems", "/problems/forbidden"])
def test_open_paths_need_no_key(facade: Facade, key: str, path: str) -> None:
    assert facade.http.get(path).status_code == 200


def test_openapi_document_names_scopes_only_when_they_are_asked_for(facade: Facade) -> None:
    assert "security" not in facade.http.get("/openapi.json").json["paths"]["/api/process/start"]["post"]  # type: ignore[index]
    _, entry = api_keys.new_entry("reader", ["process:read"])
    facade.change(auth="on", api_keys=[entry])
    post = facade.http.get("/openapi.json").json["paths"]["/api/process/start"]["post"]  # type: ignore[index]
    assert {"apiKey": ["process:start"]} in post["security"]
    assert {"401", "403"} <= set(post["responses"])


def test_every_new_key_is_different() -> None:
    assert api_keys.new_entry("a", ["process:read"])[0] != api_keys.new_entry("a", ["process:read"])[0]


def test_every_key_is_compared_in_constant_time_wherever_the_right_one_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [api_keys.new_entry(name, ["process:read"]) for name in ("a", "b", "c")]
    keys = [api_keys.parse(entry) for _, entry in made]
    compared: list[str] = []
    compare = hmac.compare_digest

    def counted(one: str, other: str) -> bool:
        compared.append(one)
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counted)
    for given, name in (*((key, entry.split(":")[0]) for key, entry in made), ("ck_nobody", None)):
        compared.clear()
        found = api_keys.find(keys, given)
        assert (found.name if found else None) == name
        assert compared == [key.digest for key in keys]


def test_token_that_cannot_be_checked_is_answered_503_and_keys_go_on(facade: Facade) -> None:
    key, entry = api_keys.new_entry("reader", ["process:read"])
    nowhere = f"http://127.0.0.1:{free_port()}/jwks"
    facade.change(auth="on", api_keys=[entry], jwt_jwks_url=nowhere, jwt_issuer="us", jwt_audience="it")
    header = base64.urlsafe_b64encode(b'{"alg": "ES256", "kid": "k"}').decode().rstrip("=")

    response = facade.http.get(PATH, headers={"Authorization": f"Bearer {header}.e30.c2ln"})

    problem(response, 503, "token-keys-away")
    assert int(response.headers["Retry-After"]) > 0
    problem(facade.http.get(PATH, headers={"X-API-Key": key}), 404, "unknown-correlation-id")


def test_key_of_a_bad_name_is_not_made() -> None:
    with pytest.raises(ValueError, match="the name must be"):
        api_keys.new_entry("a:b", ["process:read"])
