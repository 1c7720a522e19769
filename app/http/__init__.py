"""Concerns of every request and answer, one module each: access log, compression, headers, tracing, CORS."""

from __future__ import annotations

from flask import Flask

from app.http import access_log, compression, cors, security_headers, tracing
from settings import Settings


def install(app: Flask, settings: Settings) -> None:
    """Add all of them to the app.

    Flask runs `after_request` functions in reverse order, so compression and the access log come last.
    """
    access_log.install(app, settings)
    compression.install(app)
    security_headers.install(app, settings)
    tracing.install(app)
    cors.install(app, settings)
