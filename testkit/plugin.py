"""The pytest plugin with the fixtures `engine_url`, `engine`, `run_process` and `step_context`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from camunda_bridge import StepContext
from camunda_bridge.client import Engine
from camunda_bridge.definition import ProcessDefinition
from camunda_bridge.session import EngineSession
from dev.local_engine import EngineKind, LocalEngine
from dev.local_settings import LocalSettings
from dev.ports import free_port
from settings import get_settings
from testkit.isolation import Deployments
from testkit.run import ProcessRun

#: longest time until a new engine answers, in seconds; it takes about 8
ENGINE_START_S = 120.0
#: environment variables with the URL of a running engine; the first one that is set counts
VARIABLES = ("CAMUNDA_TEST_URL", "CAMUNDA_BASE_URL")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option `--engine-url`, to reuse a running engine."""
    parser.addoption(
        "--engine-url",
        metavar="URL",
        help=(
            "root URL of the REST API of a running engine for the tests; without it "
            f"{' or '.join(VARIABLES)} is used, and without those an engine is started"
        ),
    )


def pytest_report_header(config: pytest.Config) -> str:
    """The header line that shows the engine."""
    url, source = _named_engine(config)
    return f"engine: {url} ({source})" if url else f"engine: a local {_local_kind()}, started when a test needs it"


@pytest.fixture(scope="session")
def engine_url(pytestconfig: pytest.Config) -> Iterator[str]:
    """Root URL of the REST API of an engine: the one that option or environment name, else a new local engine."""
    url, _ = _named_engine(pytestconfig)
    if url:
        if get_settings().is_production:
            pytest.exit("APP_ENV=production: tests deploy and delete processes; run them with another APP_ENV", 3)
        yield url.rstrip("/")
        return
    with LocalEngine(port=free_port(), kind=_local_kind()).running(ENGINE_START_S) as engine:
        yield engine.base_url


@pytest.fixture(scope="session")
def engine(engine_url: str, pytestconfig: pytest.Config) -> Engine:
    """The client of the engine."""
    return _client(engine_url, pytestconfig)


@pytest.fixture(scope="session")
def _deployments(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> Iterator[Deployments]:
    # By `engine_url`, because a test may define its own fixture `engine`.
    deployments = Deployments(_client(request.getfixturevalue("engine_url"), pytestconfig))
    yield deployments
    if _named_engine(pytestconfig)[0]:
        deployments.delete()


@pytest.fixture
def run_process(_deployments: Deployments) -> Iterator[Callable[..., ProcessRun]]:
    """Start a process and run its steps until it has ended or waits.

    `run_process(process, variables, calls=[...], workers=[...], replace={...}, correlation_id="...", priority=0)`:
    `calls` are the processes that call activities start, `workers` those that belong to no process. `replace` maps the
    name of a step to a replacement of its handler: a function, a value to return, or an exception to raise. `priority`
    is that of the start, which a diagram can read.
    """
    runs: list[ProcessRun] = []

    def run(process: ProcessDefinition, variables: Mapping[str, Any] | None = None, **options: Any) -> ProcessRun:
        found = ProcessRun(_deployments, process, variables or {}, **options)
        runs.append(found)
        return found

    yield run
    for found in runs:
        found.stop()


@pytest.fixture
def step_context() -> StepContext:
    """A context for a handler that the test calls as a function; change it with `dataclasses.replace`."""
    return StepContext(
        correlation_id="test-correlation",
        traceability_id="test-trace",
        process_instance_id="test-instance",
        step="test-step",
        attempt=1,
        idempotency_key="test-key",
    )


def _client(url: str, config: pytest.Config) -> Engine:
    # An engine that the user names may need a login.
    if _named_engine(config)[0]:
        return Engine.from_settings(replace(get_settings(), camunda_base_url=url))
    return Engine(EngineSession(url, timeout_ms=15_000))


def _local_kind() -> EngineKind:
    return LocalSettings.load(os.environ).engine


def _named_engine(config: pytest.Config) -> tuple[str, str]:
    if url := config.getoption("--engine-url"):
        return str(url), "--engine-url"
    for name in VARIABLES:
        if url := os.environ.get(name):
            return url, name
    return "", ""
