"""How many requests a caller may make: counted in Redis for all web processes together.

Answers tell it in the fields `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-11.
`Retry-After` is of 429 alone: other answers have one of their own, or none.
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

#: the name of the policy in these fields: there is one
POLICY = "default"
#: longest wait for Redis, in seconds: counting must not hold requests up
REDIS_TIMEOUT_S = 0.25
#: longest wait for the turn to ask Redis, in seconds: a burst of a thousand requests is no Redis that is away
TURN_TIMEOUT_S = 2.0
#: what monitors and readers of the documentation ask for; never counted
OPEN_PATHS = ("/health/", "/docs", "/problems", "/openapi.json", "/metrics")


def install(app: Flask, settings: Settings) -> None:
    """Count requests if `RATE_LIMIT` says so; without it nothing is added to a request.

    While Redis is away each web process counts for itself, and asks for Redis again with growing pauses.
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
    def tell(response: Response) -> Response:
        found = limiter.current_limit
        if found is not None:
            # The window is Redis's, and ends by its time to live: only what is left of it is told.
            left_s = min(found.limit.get_expiry(), max(0, math.ceil(found.reset_at - time.time())))
            response.headers["RateLimit-Policy"] = f'"{POLICY}";q={found.limit.amount};w={found.limit.get_expiry()}'
            response.headers["RateLimit"] = f'"{POLICY}";r={max(0, found.remaining)};t={left_s}'
            if response.status_code == 429 and found.breached:
                response.headers["Retry-After"] = str(max(1, left_s))
        return response


def _pool(redis_url: str) -> redis.BlockingConnectionPool:
    """One connection, which the threads take in turn: a burst of requests must not open hundreds."""
    return redis.BlockingConnectionPool.from_url(
        redis_url,
        max_connections=1,
        timeout=TURN_TIMEOUT_S,
        socket_timeout=REDIS_TIMEOUT_S,
        socket_connect_timeout=REDIS_TIMEOUT_S,
        # The memory of the process counts instead: to ask again would only hold the request up.
        retry=Retry(NoBackoff(), 0),
    )


def _caller() -> str:
    try:
        principal = current_principal()
    except Problem:
        # Strangers are counted by their address: made-up keys give nobody more requests.
        principal = None
    return f"key:{principal.name}" if principal is not None else f"address:{request.remote_addr}"


def _is_open() -> bool:
    return request.path.startswith(OPEN_PATHS)
