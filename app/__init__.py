"""The HTTP facade: start a business process with one call and get its result."""

from __future__ import annotations

from flask import Flask

from app import auth, cli, http, metrics, monitor, problem_pages, rate_limits, root
from app.answers import StrictJson
from app.api import bulk, data, definitions, event_log, events, health, process, topics
from app.docs import register_docs
from app.openapi import DocumentedApi
from app.problems import register_error_handlers
from app.services import Services
from settings import Settings, get_settings
from telemetry import tracing
from telemetry.logs.configuring import configure_logging


def create_app(settings: Settings | None = None) -> Flask:
    """The Flask app.

    Raises:
        SettingsError: an environment variable cannot be used.
    """
    settings = settings or get_settings()
    configure_logging(settings)
    tracing.configure(settings)
    app = Flask(__name__, static_folder=None)
    app.config.update(
        SETTINGS=settings,
        MAX_CONTENT_LENGTH=settings.max_body_kb * 1024,
        API_TITLE="celery-camunda",
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
    )
    app.json = StrictJson(app)
    app.extensions["services"] = Services(settings)
    register_error_handlers(app)
    http.install(app, settings)
    rate_limits.install(app, settings)
    auth.install(app, settings)
    metrics.install(app, settings)
    api = DocumentedApi(app, spec_kwargs={"extra_plugins": auth.spec_plugins(settings)})
    for module in (process, events, topics, bulk, data, definitions, event_log, health):
        api.register_blueprint(module.blp)
    auth.document(api.spec)
    root.register(app)
    problem_pages.register(app)
    register_docs(app)
    monitor.register(app, settings)
    cli.register(app)
    return app
