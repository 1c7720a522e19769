"""What every request and answer has, whatever it is about: one concern a module."""

from __future__ import annotations

from flask import Flask

from app.http import compression, cors, security_headers, tracing
from settings import Settings


def install(app: Flask, settings: Settings) -> None:
    """Add them to the app. Flask runs what looks at answers in reverse order."""
    compression.install(app)
    security_headers.install(app, settings)
    tracing.install(app)
    cors.install(app, settings)
