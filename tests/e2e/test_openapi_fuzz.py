"""schemathesis against a real web server: all requests that `/openapi.json` allows or forbids are answered accordingly.

All checks are on. The check `ignored_auth` needs a server with AUTH=on, which gets fewer requests. The broker is real,
but there are no workers, so starts are accepted and stay pending.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.security import api_keys
from app.security.auth import SCOPES
from dev.stack import Stack

#: examples an operation and phase; in the phases of examples and coverage, the schemas determine the number
EXAMPLES = 25
#: seconds that the whole run may take on a busy machine
RUN_S = 90

#: (401 is among the statuses that the check accepts by default; a list of our own must contain it)
#: A cursor is opaque: the document cannot define which are valid, and an invented one is answered 400 as documented.
CONFIG = """
[[operations]]
include-path = "/api/process/status/all"
[operations.checks]
positive_data_acceptance.expected-statuses = [200, 400, 401]

[[operations]]
include-path = "/api/process/event-log/{traceability_id}"
[operations.checks]
positive_data_acceptance.expected-statuses = [200, 400, 401, 404]

[[operations]]
include-path = "/api/process/bulk/retry"
[operations.checks]
positive_data_acceptance.expected-statuses = [200, 400, 401, 422]

# The document cannot say which names and values of variables the engine can store.
[[operations]]
include-path-regex = "^/api/process/.*/(retry|variables)$"
[operations.checks]
positive_data_acceptance.expected-statuses = [200, 400, 401, 404, 409, 422, 503]

[[operations]]
include-path = "/api/process/bulk/cancel"
[operations.checks]
positive_data_acceptance.expected-statuses = [200, 400, 401]

# A JSON schema cannot say that a time is in the future.
[[operations]]
include-path = "/api/process/maintenance"
[operations.checks]
positive_data_acceptance.expected-statuses = [200, 401, 422]

# There is no engine here.
[[operations]]
include-path-regex = "^/api/process/definitions/.*/(suspend|resume)$"
[operations.checks]
not_a_server_error.expected-statuses = [200, 400, 401, 403, 404, 405, 409, 415, 422, 503]
"""

KEY, ENTRY = api_keys.new_entry("fuzz", SCOPES)
#: During maintenance other calls are refused, so it has a run of its own.
MAINTENANCE = "/api/process/maintenance"
#: all phases, with AUTH=off
EVERYTHING = [
    *("--phases", "examples,coverage,fuzzing,stateful", "--max-examples", str(EXAMPLES)),
    *("--exclude-path", MAINTENANCE),
]
ONLY_MAINTENANCE = [
    *("--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES)),
    *("--include-path", MAINTENANCE),
]
#: a part of the phases, with a key
GUARDED = ["--phases", "examples,fuzzing", "--max-examples", "3", "--header", f"X-API-Key: {KEY}"]
GUARDED += ["--exclude-path", MAINTENANCE]

COMMAND = [
    sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run",
    "--checks", "all",
    "--mode", "all",
    "--seed", "20",
    "--generation-deterministic",
    "--continue-on-failure",
    "--suppress-health-check", "all",
    "--request-timeout", "15",
    "--no-color",
]  # fmt: skip


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A web server, and one with AUTH=on and a rate limit, with a broker and without workers."""
    settings = {
        "CAMUNDA_BASE_URL": "http://127.0.0.1:9/engine-rest",
        "SYNC_TIMEOUT_MS": 0,
        "STREAM_MAX_S": 1,
        "MAX_PENDING_STARTS": 1_000_000,
    }
    stack = Stack(tmp_path_factory.mktemp("fuzz"), settings=settings, parts=("broker",))
    try:
        stack.start_parts(["broker"])
        stack.run("migrate", [sys.executable, "-m", "store.migrate"])
        guarded = {"AUTH": "on", "API_KEYS": ENTRY, "RATE_LIMIT": "1000000/hour"}
        stack.add("guarded", like="web", settings=guarded)
        stack.start_parts(["web", "guarded"])
        yield stack
    finally:
        stack.stop()


@pytest.mark.timeout(RUN_S + 60)
@pytest.mark.parametrize(
    ("server", "asks"),
    [("web", EVERYTHING), ("guarded", GUARDED), ("web", ONLY_MAINTENANCE)],
    ids=["open", "guarded", "maintenance"],
)
def test_no_check_fails(stack: Stack, server: str, asks: list[str], tmp_path: Path) -> None:
    report = tmp_path / "report.ndjson"
    (tmp_path / "schemathesis.toml").write_text(CONFIG)

    run = subprocess.run(
        [
            *COMMAND,
            *asks,
            f"{stack.url_of(server)}/openapi.json",
            "--report",
            "ndjson",
            "--report-ndjson-path",
            str(report),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )

    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
    assert report.stat().st_size > 0
