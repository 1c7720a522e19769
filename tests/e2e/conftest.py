"""One real stack for all end-to-end tests: gunicorn, workers, beat, Redis, engine, database."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from selenium import webdriver

from dev.browser import headless
from dev.stack import Stack
from tests.support.api import Api
from tests.support.facade import USER
from tests.support.monitor_page import Monitor
from tests.support.monitored import Monitored, Ran

#: the secret that signs the webhooks of the stack
CALLBACK_SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, engine_url: str) -> Iterator[Stack]:
    """The stack, without Flower, on the session's engine."""
    settings = {
        "CAMUNDA_BASE_URL": engine_url,
        "PROCESSES": "processes,tests.processes",
        "SYNC_TIMEOUT_MS": 8_000,
        "RECONCILE_INTERVAL_MS": 1_000,
        "LOCK_DURATION_MS": 4_000,
        "CAMUNDA_TIMEOUT_MS": 3_000,
        "MAX_BODY_KB": 2_048,
        # Tests wait for recovery from lost messages and dead workers, so the times are short.
        "RESEND_AFTER_S": 4,
        "CALLBACK_HOSTS": "http://127.0.0.1:*,http://localhost:*",
        "CALLBACK_SECRETS": CALLBACK_SECRET,
        "CALLBACK_TIMEOUT_MS": 1_000,
        "CALLBACK_RETRY_BASE_MS": 300,
        "CALLBACK_INTERVAL_MS": 300,
    }
    parts = ("broker", "partner", "web", "worker", "control", "beat")
    with Stack(tmp_path_factory.mktemp("stack"), settings=settings, parts=parts) as running:
        yield running


@pytest.fixture(scope="session")
def monitored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    """A stack with metrics and Flower, which only the tests of these two use."""
    with Monitored(tmp_path_factory.mktemp("monitored")) as running:
        yield running


@pytest.fixture(scope="session")
def ran(monitored: Monitored, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The same stack after processes with every kind of end, and every path through the examples."""
    return Ran(monitored, tmp_path_factory.mktemp("ran"))


@pytest.fixture(scope="session")
def api(stack: Stack) -> Api:
    """The API of the stack."""
    return Api(stack.url)


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    """A browser with a profile of its own."""
    with headless() as driver:
        yield driver


@pytest.fixture
def monitor(browser: webdriver.Chrome, stack: Stack) -> Iterator[Monitor]:
    """The monitor of the stack, without browser errors or a pause of earlier tests."""
    browser.get_log("browser")
    yield Monitor(browser, stack.url)
    # A page outside of the monitor may have no storage.
    browser.execute_script("try { sessionStorage.clear() } catch {}")


@pytest.fixture
def correlation_id() -> str:
    """A correlation id that no other test uses."""
    return f"test-{uuid.uuid4()}"


@pytest.fixture
def user() -> Callable[..., dict[str, Any]]:
    """Make the variables of an `onboard-user` start; `kind` chooses the partners' answers."""

    def make(kind: str = "user", **changes: Any) -> dict[str, Any]:
        return {**USER, "userId": f"{kind}-{uuid.uuid4()}", **changes}

    return make
