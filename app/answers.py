"""JSON answers: one helper, so that a view says only what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, current_app


def answer(body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`body` as a JSON answer."""
    text = current_app.json.dumps(body, separators=(",", ":")) + "\n"
    return Response(text, status=status, headers=dict(headers or {}), mimetype="application/json")
