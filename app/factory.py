"""Builds the Flask app: settings, error answers, authentication, API, monitor, commands."""

from __future__ import annotations

from flask import Flask

from app import http, metrics, monitor, root
from app.api import bulk, data, definitions, event_log, events, health, incidents, maintenance, process, repair, topics
from app.commands import cli
from app.openapi.spec import DocumentedApi
from app.openapi.swagger_ui import register_docs
from app.responses import problem_pages
from app.responses.answers import StrictJson
from app.responses.errors import register_error_handlers
from app.security import auth, rate_limits
from app.services import Services
from settings import Settings, get_settings
from telemetry import tracing
from telemetry.logs.configuring import configure_logging


def make_app(settings: Settings | None = None) -> Flask:
    """Build the Flask app.

    Raises:
        SettingsError: an environment variable cannot be used.
    """
    settings = settings or get_settings()
    configure_logging(settings)
    tracing.configure(settings)
    app = Flask("app", static_folder=None)
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
    for module in (process, repair, events, topics, maintenance, incidents, bulk, data, definitions, event_log, health):
        api.register_blueprint(module.blp)
    auth.document(api.spec)
    root.register(app)
    problem_pages.register(app)
    register_docs(app)
    monitor.register(app, settings)
    cli.register(app)
    return app
