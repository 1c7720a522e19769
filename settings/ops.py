"""Settings for operations: logs, traces, metrics and Flower."""

from __future__ import annotations

import re
from dataclasses import dataclass

from settings.reading import setting

#: FLOWER_BASIC_AUTH: Flower compares only ASCII, and without a colon it would refuse every login
FLOWER_LOGIN = re.compile(r"[!-9;-~]+:[ -~]+\Z")

#: names of fields that are redacted in logs, events and errors, as are names that end in one; REDACT can remove names
REDACTED_NAMES = (
    "password", "passwd", "passphrase", "secret", "token", "authorization", "apiKey", "privateKey", "credentials",
    "cookie", "iban", "cardNumber", "cvv", "cvc", "ssn",
)  # fmt: skip

#: one entry of REDACT: a name to add, or with `-` a name to remove
REDACT_ENTRY = re.compile(r"-?[^\W_][\w .-]{0,99}\Z")


@dataclass(frozen=True)
class Ops:
    """Logs, traces, metrics and Flower."""

    log_level: str = setting(
        "str", "INFO", "Lowest level that is logged.", one_of=("DEBUG", "INFO", "WARNING", "ERROR")
    )
    log_format: str = setting(
        "str",
        "auto",
        "`json`: each line is a JSON object; `console`: readable text; `auto`: JSON in production, else readable text.",
        one_of=("auto", "json", "console"),
    )
    access_log: str = setting(
        "str",
        "off",
        "`on`: the web server logs a line for each request, at level INFO: method, route, status, milliseconds, "
        "caller, correlation id. Health checks and metrics are logged only if they fail.",
        one_of=("on", "off"),
    )
    redact: list[str] = setting(
        "list",
        (),
        "Names of further fields that are redacted in logs, events and errors, comma separated. Some are redacted by "
        "default (`password`, `token`, `iban`, ...); `-iban` shows one of them. Case and the characters `-_.` are "
        "ignored. Fields whose names end in such a name are redacted too.",
    )
    otel_exporter_otlp_endpoint: str = setting(
        "str",
        "",
        "Root URL of the OpenTelemetry collector that gets the traces (OTLP over HTTP), such as "
        "`http://collector:4318`. Empty: no tracing.",
        schemes=("http", "https"),
        optional=True,
    )
    otel_exporter_otlp_headers: list[str] = setting(
        "list", (), "Headers for the collector, comma separated: `name=value`.", secret=True
    )
    otel_service_name: str = setting("str", "celery-camunda", "Name of this service in traces.")
    otel_sample_ratio: float = setting(
        "float",
        1.0,
        "Share of traces that are recorded, 0 to 1, of those that begin in this service. For a trace that a caller "
        "began, the caller decides.",
        least=0.0,
        most=1.0,
    )
    metrics_host: str = setting("str", "127.0.0.1", "Address on which workers and beat serve metrics.")
    metrics_port: int = setting(
        "int",
        0,
        "Port on which a worker or beat serves metrics; each needs its own. 0: none. The web server serves its metrics "
        "at `/metrics`.",
        least=0,
        most=65_535,
    )
    metrics_token: str = setting(
        "str",
        "",
        "Token that is needed to read metrics of web server, workers and beat (`Authorization: Bearer`). Empty: no "
        "authentication.",
        secret=True,
    )
    metrics_dir: str = setting(
        "str",
        "",
        "Folder for the files in which the processes of a server or worker share their metrics, best in memory. Empty: "
        "the folder for temporary files of the system.",
    )
    flower_host: str = setting("str", "127.0.0.1", "Address that Flower listens on.")
    flower_max_tasks: int = setting(
        "int",
        50_000,
        "How many tasks Flower keeps in memory; 10,000 take about 45 MB.",
        least=100,
        most=1_000_000,
    )
    flower_port: int = setting("int", 5555, "Port of Flower.", least=1, most=65_535)
    flower_basic_auth: str = setting(
        "str", "", "Login for Flower, as `user:password`; required in production.", secret=True
    )


def faults(settings: Ops) -> list[str]:
    """The contradictions among these settings, each as a sentence that names them."""
    found = [
        f"REDACT: {entry!r} must be the name of a field, or - and a name"
        for entry in settings.redact
        if not REDACT_ENTRY.match(entry)
    ]
    for place, entry in enumerate(settings.otel_exporter_otlp_headers, 1):
        if "=" not in entry.strip("="):
            found.append(f"OTEL_EXPORTER_OTLP_HEADERS: entry {place} must be name=value")
    if settings.flower_basic_auth and not FLOWER_LOGIN.match(settings.flower_basic_auth):
        found.append("FLOWER_BASIC_AUTH must be user:password, in ASCII characters")
    return found
