"""Configures logging: loggers of the standard library, formatted by structlog, as JSON or as readable text.

All log lines, also those of gunicorn, Celery, SQLAlchemy and urllib3, have the same form. They carry the ids of the log
context (telemetry/log_context.py), and secrets are redacted (telemetry/logs/redaction.py).
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from settings import Settings
from telemetry.logs.redaction import redactor, shown_text

#: loggers whose libraries add handlers, which would write each line a second time and in another form
_WITH_HANDLERS = ("celery", "celery.task", "gunicorn.error", "gunicorn.access", "werkzeug", "flask.app", "alembic")
#: loggers that write a line for each task, which would be most of the log; Flower and the event log show the same
_VERBOSE = ("celery.app.trace", "celery.worker.strategy", "celery.pool", "celery.beat")


def configure_logging(settings: Settings) -> None:
    """Write the records of all loggers to standard error, each as one line."""
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
    # For code that logs through structlog directly, for example the handler of a step.
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
    for name in _VERBOSE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _redact(_logger: Any, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Redact fields by their names, and in texts the assignments to such names and the secrets of the current step."""
    shown: dict[str, Any] = redactor().redact(line)
    return {name: shown_text(value) if isinstance(value, str) else value for name, value in shown.items()}
