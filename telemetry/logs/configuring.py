"""Logging: structlog's processors under the standard library's loggers; JSON in production, readable in development.

Everybody's lines, ours and those of gunicorn, Celery, SQLAlchemy and urllib3, come out alike: with what the work at
hand is for (telemetry/log_context.py) and without secrets (telemetry/logs/redaction.py).
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from settings import Settings
from telemetry.logs.redaction import redactor, shown_text

#: loggers that bring handlers of their own, which would write their lines a second time, and in another form
_WITH_HANDLERS = ("celery", "celery.task", "gunicorn.error", "gunicorn.access", "werkzeug", "flask.app", "alembic")
#: One line a task would be most of the log; Flower and the event log tell it better.
_TALKATIVE = ("celery.app.trace", "celery.worker.strategy", "celery.pool", "celery.beat")


def configure_logging(settings: Settings) -> None:
    """Send every logger's records to standard error, one line each."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
        if settings.logs_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_level=False)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _redact, renderer],
        )
    )
    # For those who log through structlog itself, such as a handler of a step.
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared[:3],
            *shared[4:],
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for name in _WITH_HANDLERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _redact(_logger: Any, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Fields by their names, texts by what stands in them; the hidden values of the step at hand nowhere."""
    shown: dict[str, Any] = redactor().redact(line)
    return {name: shown_text(value) if isinstance(value, str) else value for name, value in shown.items()}
