"""Limits the requests of each caller, counted in Redis for all web processes together.

Answers have the headers `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-11. Only a 429 gets
`Retry-After` from here: other answers set their own, or have none.
"""

from __future__ import annotations

import math
import time

import redis
from flask import Flask, Response, request
from flask_limiter import Limiter
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.responses.problem import Problem
from app.security.auth import current_principal
from settings import Settings

#: the name of the only policy in these headers
POLICY = "default"
#: seconds to wait for an answer of Redis, at most; counting must not delay requests
REDIS_TIMEOUT_S = 0.25
#: seconds that a thread waits for the shared connection, at most; long enough for a burst of a thousand requests, so
#: that a burst does not look like an unavailable Redis
TURN_TIMEOUT_S = 2.0
#: paths that are never counted: health checks, metrics and documentation
OPEN_PATHS = ("/health/", "/docs", "/problems", "/openapi.json", "/metrics")


def install(app: Flask, settings: Settings) -> None:
    """Limit requests if `RATE_LIMIT` is set; otherwise do nothing.

    While Redis is unavailable each web process counts on its own, and tries Redis again with growing pauses.
    """
    if not settings.rate_limit:
        return
    limiter = Limiter(
        _caller,
        app=app,
        application_limits=[settings.rate_limit],
        storage_uri=settings.redis_url,
        storage_options={"connection_pool": _pool(settings.redis_url)},  # type: ignore[dict-item]
        key_prefix="rate",
        strategy="fixed-window",
        in_memory_fallback_enabled=True,
        swallow_errors=True,
    )
    limiter.request_filter(_is_open)

    @app.after_request
    def add_headers(response: Response) -> Response:
        found = limiter.current_limit
        if found is not None:
            # Redis ends the window by its time to live, so the header has the seconds that are left of it.
            left_s = min(found.limit.get_expiry(), max(0, math.ceil(found.reset_at - time.time())))
            response.headers["RateLimit-Policy"] = f'"{POLICY}";q={found.limit.amount};w={found.limit.get_expiry()}'
            response.headers["RateLimit"] = f'"{POLICY}";r={max(0, found.remaining)};t={left_s}'
            if response.status_code == 429 and found.breached:
                response.headers["Retry-After"] = str(max(1, left_s))
        return response


def _pool(redis_url: str) -> redis.BlockingConnectionPool:
    """A pool of one connection, shared by all threads: a burst of requests must not open hundreds of connections."""
    return redis.BlockingConnectionPool.from_url(
        redis_url,
        max_connections=1,
        timeout=TURN_TIMEOUT_S,
        socket_timeout=REDIS_TIMEOUT_S,
        socket_connect_timeout=REDIS_TIMEOUT_S,
        # Do not retry: it would delay the request, and the web process counts in its memory instead.
        retry=Retry(NoBackoff(), 0),
    )


def _caller() -> str:
    try:
        principal = current_principal()
    except Problem:
        # Count unauthenticated callers by their address, so that invented keys do not allow more requests.
        principal = None
    return f"key:{principal.name}" if principal is not None else f"address:{request.remote_addr}"


def _is_open() -> bool:
    return request.path.startswith(OPEN_PATHS)
