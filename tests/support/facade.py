"""The HTTP facade in the process of the test, with the database and the broker that the test chooses."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import kombu.pools
import pytest
from celery import Celery
from werkzeug.test import TestResponse

from app import create_app
from app.services import Services
from app.starts.waiting import Waiters
from settings import Settings
from store.process_rows import ProcessRow
from tasks import app as celery_app
from tasks import runtime as runtime_module
from tasks.runtime import Runtime

#: valid variables of a start of `onboard-user`
USER = {
    "userId": "user-1",
    "email": "ada@example.org",
    "firstName": "Ada",
    "lastName": "Lovelace",
    "dateOfBirth": "1990-12-10",
    "country": "GB",
}


class Facade:
    """A web process without its web server."""

    def __init__(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Create the app with these settings."""
        self.settings = settings
        self.runtime = Runtime(settings)
        # Without the waiters' threads, which a test would have to stop; test_waiting tests them.
        self._patch.setattr(Waiters, "_start", lambda _: None)
        self._patch.setattr(runtime_module, "_runtime", self.runtime)
        self._patch.setitem(celery_app.conf, "broker_url", settings.redis_url)
        self._patch.setitem(celery_app.conf, "result_backend", settings.redis_url)
        forget_connections(celery_app)
        self.app = create_app(settings)
        self.http = self.app.test_client()

    def change(self, **settings: Any) -> None:
        """Create the app again with some settings changed."""
        self.close()
        self.configure(replace(self.settings, **settings))

    @property
    def services(self) -> Services:
        """The shared services of the views."""
        found: Services = self.app.extensions["services"]
        return found

    def close(self) -> None:
        """Close the app's connections."""
        self.runtime.database.dispose()
        forget_connections(celery_app)

    def post(self, path: str, body: Any = None, *, raw: bytes | None = None, **headers: str) -> TestResponse:
        """POST JSON, or the bytes of `raw`; `Content_Type` and other keywords are headers."""
        given = {"Content-Type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
        data = json.dumps(body, ensure_ascii=False).encode() if raw is None else raw
        return self.http.post(path, data=data, headers=given)

    def start(self, correlation_id: str | None = None, variables: Any = None, **headers: str) -> TestResponse:
        """Start `onboard-user`."""
        body = {"processKey": "onboard-user", "variables": USER if variables is None else variables}
        if correlation_id is not None:
            body["correlationId"] = correlation_id
        return self.post("/api/process/start", body, **headers)

    def rows(self) -> list[ProcessRow]:
        """All process rows."""
        return self.runtime.processes.page(limit=500)


def forget_connections(app: Celery) -> None:
    """Close the app's pools, so that the next message uses a connection with the present settings."""
    kombu.pools.reset()
    app._after_fork()
    app._backend_cache = None
    if hasattr(app._local, "backend"):
        del app._local.backend


def problem(response: TestResponse, status: int, kind: str) -> dict[str, Any]:
    """Check that an answer is a problem of this status and type. Returns its body."""
    assert response.status_code == status, response.text
    assert response.mimetype == "application/problem+json"
    body: dict[str, Any] = json.loads(response.data, parse_constant=lambda name: pytest.fail(f"{name} in an answer"))
    assert body["type"] == f"/problems/{kind}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert "Traceback" not in response.text
    return body
