"""Lines of the log: their form, the ids that they have, and the secrets that they do not contain."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from gunicorn.config import Config

from settings import Settings
from telemetry import log_context
from telemetry.logs.configuring import configure_logging
from telemetry.logs.redaction import REDACTED, values_at_hand
from telemetry.logs.web import WebLog


class Written:
    """The output on standard error since the test began."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._text = ""

    def text(self) -> str:
        self._text += self._capsys.readouterr().err
        return self._text

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[Written]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield Written(capsys)
    root.handlers[:], root.level = handlers, level
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()
    logging.captureWarnings(False)


def test_json_line_has_the_ids_of_its_work(written: Written) -> None:
    configure_logging(Settings(log_format="json"))
    log_context.begin(request_id="r", correlation_id="c")
    log_context.bind(topic="probe.work", task_id="t")
    logging.getLogger("sqlalchemy.engine").warning("slow %s", "query")
    (line,) = written.lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "slow query", "level": "warning", "logger": "sqlalchemy.engine",
        "requestId": "r", "correlationId": "c", "topic": "probe.work", "taskId": "t",
    }  # fmt: skip


def test_next_request_has_no_ids_of_the_one_before(written: Written) -> None:
    configure_logging(Settings(log_format="json"))
    log_context.begin(request_id="r1", correlation_id="c")
    log_context.begin(request_id="r2")
    logging.getLogger("x").warning("y")
    assert "correlationId" not in written.lines()[0]


def test_no_line_contains_a_secret(written: Written) -> None:
    configure_logging(Settings(log_format="json"))
    with values_at_hand({"password": "hunter22"}):
        logging.getLogger("ours").warning("given: %s", {"token": "tok-1"}, extra={"apiKey": "key-1"})
        structlog.get_logger("theirs").warning("login", password="hunter22", nested={"iban": "DE-1"})
        try:
            raise ValueError("no such password: hunter22")
        except ValueError:
            logging.getLogger("ours").exception("broken")
    text = written.text()
    assert not [secret for secret in ("hunter22", "tok-1", "key-1", "DE-1") if secret in text]
    assert len(written.lines()) == 3
    assert written.lines()[1]["nested"] == {"iban": REDACTED}
    assert "Traceback" in written.lines()[2]["exception"]


@pytest.mark.parametrize(
    ("environment", "form", "is_json"),
    [
        ("production", "auto", True),
        ("development", "auto", False),
        ("development", "json", True),
        ("production", "console", False),
    ],
)
def test_form_is_json_in_production_unless_told(written: Written, environment: str, form: str, is_json: bool) -> None:
    configure_logging(Settings(app_env=environment, log_format=form))
    logging.getLogger("x").warning("hello")
    assert written.text().startswith("{") is is_json


def test_lines_of_gunicorn_and_celery_look_like_all_others(written: Written) -> None:
    logging.getLogger("celery").addHandler(logging.StreamHandler())
    configure_logging(Settings(log_format="json"))
    WebLog(Config()).info("Booting worker with pid: %s", 7)
    logging.getLogger("celery.worker").warning("hello")
    assert [(line["logger"], line["event"]) for line in written.lines()] == [
        ("gunicorn.error", "Booting worker with pid: 7"),
        ("celery.worker", "hello"),
    ]
