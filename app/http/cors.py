"""Allows calls from pages of the origins in `CORS_ORIGINS` (Fetch standard, CORS protocol)."""

from __future__ import annotations

from flask import Flask, Response, request

from settings import Settings

EXPOSED = "Location, Retry-After, Preference-Applied, Idempotency-Replayed, X-Request-Id, RateLimit, RateLimit-Policy"
ALLOWED_HEADERS = (
    "Authorization, Content-Type, Prefer, Idempotency-Key, X-API-Key, X-Request-Id, X-Traceability-Id, X-Batch-Id, "
    "X-Application-Id, Last-Event-ID, traceparent, tracestate"
)
METHODS = "GET, POST, OPTIONS"
#: seconds for which a browser may cache the answer to a preflight
MAX_AGE_S = 600


def install(app: Flask, settings: Settings) -> None:
    """Answer preflights and add CORS headers to answers, if any origin is allowed.

    Credentials are not allowed: the API uses no cookies.
    """
    if not settings.cors_origins:
        return
    any_origin = "*" in settings.cors_origins
    origins = frozenset(settings.cors_origins)

    def preflight() -> Response | None:
        if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
            return None
        # `mark` adds the CORS headers if the origin is allowed.
        return Response(status=204)

    def mark(response: Response) -> Response:
        if not any_origin:
            response.vary.add("Origin")
        origin = request.headers.get("Origin")
        if origin is None or not (any_origin or origin in origins):
            return response
        headers = response.headers
        headers["Access-Control-Allow-Origin"] = "*" if any_origin else origin
        if request.method == "OPTIONS":
            headers["Access-Control-Allow-Methods"] = METHODS
            headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
            headers["Access-Control-Max-Age"] = str(MAX_AGE_S)
        else:
            headers["Access-Control-Expose-Headers"] = EXPOSED
        return response

    app.before_request(preflight)
    app.after_request(mark)
