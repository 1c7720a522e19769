"""The facade."""

from __future__ import annotations

from dataclasses import dataclass

from settings.reading import setting


@dataclass(frozen=True)
class Facade:
    """The facade."""

    sync_timeout_ms: int = setting(
        "int",
        25_000,
        "How long a start waits for its result before it answers 202, in milliseconds: default and ceiling.",
        least=0,
        most=600_000,
    )
    max_waiting_requests: int = setting(
        "int", 1_000, "Requests that may wait at once in one web process; more are answered 202 at once.", least=1
    )
    max_pending_starts: int = setting(
        "int", 10_000, "Accepted starts that have no instance yet; past it a start is answered 503.", least=1
    )
    max_streams: int = setting(
        "int", 100, "Event streams that may be open at once in one web process; more are answered 503.", least=1
    )
    stream_max_s: int = setting(
        "int", 300, "Longest event stream, in seconds; its client comes back by itself.", least=1, most=86_400
    )
    max_body_kb: int = setting("int", 4_096, "Largest request body, in KiB; a larger one is answered 413.", least=1)
    retry_after_s: int = setting("int", 2, "`Retry-After` of a 202 or 503 answer, in seconds.", least=1, most=3_600)
    web_host: str = setting("str", "127.0.0.1", "Address that the web server listens on.")
    web_port: int = setting("int", 8000, "Port of the web server.", least=1, most=65_535)
    web_workers: int = setting("int", 1, "Web server processes.", least=1, most=256)
    web_grace_s: int = setting(
        "int", 30, "After SIGTERM, how long the web server lets waiting requests end, in seconds.", least=1
    )
    client_timeout_s: int = setting(
        "int",
        15,
        "How long a client may take to send its headers, to send its body, and to read each part of its answer, in "
        "seconds.",
        least=1,
        most=600,
    )
