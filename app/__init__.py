"""The HTTP facade: start a business process with one call and get its result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from settings import Settings

if TYPE_CHECKING:
    from flask import Flask


def create_app(settings: Settings | None = None) -> Flask:
    """The Flask app: `flask --app app`, and `app:create_app()` for gunicorn.

    Raises:
        SettingsError: an environment variable cannot be used.
    """
    # gunicorn's arbiter imports this package for its worker class. A late import keeps Flask out of its memory.
    from app.factory import make_app  # noqa: PLC0415

    return make_app(settings)
