"""Ops."""

from __future__ import annotations

import re
from dataclasses import dataclass

from settings.reading import setting

#: FLOWER_BASIC_AUTH: Flower compares nothing but ASCII, and without a colon it would let nobody in
FLOWER_LOGIN = re.compile(r"[!-9;-~]+:[ -~]+\Z")

#: names of fields that are not shown in logs, events and errors, nor those that end in one; REDACT takes them away
REDACTED_NAMES = (
    "password", "passwd", "passphrase", "secret", "token", "authorization", "apiKey", "privateKey", "credentials",
    "cookie", "iban", "cardNumber", "cvv", "cvc", "ssn",
)  # fmt: skip

#: one entry of REDACT
REDACT_ENTRY = re.compile(r"-?[^\W_][\w .-]{0,99}\Z")


@dataclass(frozen=True)
class Ops:
    """Ops."""

    log_level: str = setting("str", "INFO", "Least level that is logged.", one_of=("DEBUG", "INFO", "WARNING", "ERROR"))
    log_format: str = setting(
        "str",
        "auto",
        "`json`: one JSON object a line; `console`: readable; `auto`: JSON in production, else readable.",
        one_of=("auto", "json", "console"),
    )
    redact: list[str] = setting(
        "list",
        (),
        "Names of fields that are not shown in logs, events and errors, comma separated, beside those that never are "
        "(`password`, `token`, `iban`, ...); `-iban` shows one of these. Case and `-_.` do not matter; names that end "
        "in one count too.",
    )
    otel_exporter_otlp_endpoint: str = setting(
        "str",
        "",
        "Root of the OpenTelemetry collector that traces go to, by OTLP over HTTP: `http://collector:4318`. Empty: no "
        "tracing.",
        schemes=("http", "https"),
        optional=True,
    )
    otel_exporter_otlp_headers: list[str] = setting(
        "list", (), "Headers that the collector wants, comma separated: `name=value`.", secret=True
    )
    otel_service_name: str = setting("str", "celery-camunda", "Name under which traces show this service.")
    otel_sample_ratio: float = setting(
        "float",
        1.0,
        "Share of the traces that begin here that is recorded, 0 to 1; for a caller's trace the caller decides.",
        least=0.0,
        most=1.0,
    )
    metrics_host: str = setting("str", "127.0.0.1", "Address on which a worker or beat shows its metrics.")
    metrics_port: int = setting(
        "int",
        0,
        "Port on which a worker or beat shows its metrics, each on one of its own; 0 for none. The web server shows "
        "its own at `/metrics`.",
        least=0,
        most=65_535,
    )
    metrics_token: str = setting(
        "str",
        "",
        "What a reader of metrics must send as `Authorization: Bearer`, to web server, workers and beat alike; empty "
        "lets everybody read them.",
        secret=True,
    )
    metrics_dir: str = setting(
        "str",
        "",
        "Folder for the files in which processes count together, best in memory; empty for the system's temporary one.",
    )
    flower_host: str = setting("str", "127.0.0.1", "Address that Flower listens on.")
    flower_port: int = setting("int", 5555, "Port of Flower.", least=1, most=65_535)
    flower_basic_auth: str = setting("str", "", "`user:password` for Flower; required in production.", secret=True)


def faults(settings: Ops) -> list[str]:
    """The contradictions among these settings, each as a sentence that names them."""
    found = [f"REDACT: {entry!r} is no name of a field" for entry in settings.redact if not REDACT_ENTRY.match(entry)]
    for place, entry in enumerate(settings.otel_exporter_otlp_headers, 1):
        if "=" not in entry.strip("="):
            found.append(f"OTEL_EXPORTER_OTLP_HEADERS: entry {place} is not name=value")
    if settings.flower_basic_auth and not FLOWER_LOGIN.match(settings.flower_basic_auth):
        found.append("FLOWER_BASIC_AUTH must be user:password, of ASCII characters")
    return found
