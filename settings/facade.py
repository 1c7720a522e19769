"""Settings of the facade."""

from __future__ import annotations

from dataclasses import dataclass

from settings.reading import setting


@dataclass(frozen=True)
class Facade:
    """Facade."""

    sync_timeout_ms: int = setting(
        "int",
        25_000,
        "How long a start waits for the end of its process before it is answered 202, in milliseconds. Clients may ask "
        "for a shorter wait.",
        least=0,
        most=600_000,
    )
    max_waiting_requests: int = setting(
        "int", 1_000, "Most waiting requests in one web process; further ones are answered 202 at once.", least=1
    )
    max_pending_starts: int = setting(
        "int", 10_000, "Most accepted starts without an instance; further starts are answered 503.", least=1
    )
    max_streams: int = setting(
        "int", 100, "Most open event streams in one web process; further ones are answered 503.", least=1
    )
    stream_max_s: int = setting(
        "int",
        300,
        "Longest duration of an event stream, in seconds; then it is closed, and its client connects again.",
        least=1,
        most=86_400,
    )
    max_body_kb: int = setting("int", 4_096, "Largest request body, in KiB; a larger one is answered 413.", least=1)
    retry_after_s: int = setting("int", 2, "`Retry-After` of answers with 202 or 503, in seconds.", least=1, most=3_600)
    web_host: str = setting("str", "127.0.0.1", "Address that the web server listens on.")
    web_port: int = setting("int", 8000, "Port of the web server.", least=1, most=65_535)
    web_workers: int = setting("int", 1, "Number of web processes.", least=1, most=256)
    web_grace_s: int = setting(
        "int", 30, "How long the web server continues to serve open requests after SIGTERM, in seconds.", least=1
    )
    client_timeout_s: int = setting(
        "int",
        15,
        "Longest time for a client to send its headers, to send its body, and to read each part of the answer, in "
        "seconds.",
        least=1,
        most=600,
    )
