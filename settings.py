"""Every environment variable of the project: read once, checked once, nothing read elsewhere.

A value that cannot be used stops the start with a :class:`SettingsError` that names every variable at fault.
Times carry their unit in the name. A variable may also come from an ``.env`` file in the working folder (the
environment wins) or, for secrets that are mounted as files, from the file that ``<NAME>_FILE`` names.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cache
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from environs import EnvValidationError, FileAwareEnv, ValidationError

from errors import CeleryCamundaError

#: one entry of API_KEYS: the key's name, the SHA-256 of the key in hexadecimal, its scopes
API_KEY_ENTRY = re.compile(
    r"(?P<name>[A-Za-z0-9._-]{1,100}):(?P<digest>[0-9a-f]{64}):"
    r"(?P<scopes>process:(?:start|read|admin|complete)(?:\+process:(?:start|read|admin|complete))*)\Z"
)
#: one entry of CALLBACK_HOSTS: a host (`.example.com`: any below it), with a port or `*` for any
CALLBACK_HOST = re.compile(
    r"(?:(?P<scheme>https?)://)?(?P<host>\[[0-9A-Fa-f:.]+\]|\.?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*)"
    r"(?::(?P<port>[0-9]{1,5}|\*))?\Z"
)
#: one entry of CALLBACK_SECRETS, as Standard Webhooks has it: 24 to 64 bytes in base64
CALLBACK_SECRET = re.compile(r"whsec_(?P<key>[A-Za-z0-9+/]{32,86}={0,2})\Z")
#: FLOWER_BASIC_AUTH: Flower compares nothing but ASCII, and without a colon it would let nobody in
FLOWER_LOGIN = re.compile(r"[!-9;-~]+:[ -~]+\Z")
#: a rate limit: requests for each period
RATE = re.compile(r"[1-9][0-9]{0,8}/(second|minute|hour|day)\Z")

#: names of fields that are not shown in logs, events and errors, nor those that end in one; REDACT takes them away
REDACTED_NAMES = (
    "password", "passwd", "passphrase", "secret", "token", "authorization", "apiKey", "privateKey", "credentials",
    "cookie", "iban", "cardNumber", "cvv", "cvc", "ssn",
)  # fmt: skip
#: one entry of REDACT
REDACT_ENTRY = re.compile(r"-?[^\W_][\w .-]{0,99}\Z")


class SettingsError(CeleryCamundaError):
    """One or more environment variables hold a value that cannot be used.

    :func:`get_settings` raises it; every process stops at its start and prints it.
    """


def _setting(kind: str, default: Any, doc: str, *, secret: bool = False, **limits: Any) -> Any:
    """A field read from the environment variable of its own name in capitals.

    `kind` is the name of the environs parser; `limits` are `least`, `most` (numbers), `one_of` (texts) and `schemes`
    (URLs; with `optional`, none too).
    """
    return field(default=default, repr=not secret, metadata={"kind": kind, "doc": doc, "secret": secret, **limits})


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one process. Each attribute is the environment variable of the same name in capitals."""

    # -- where the other parts are
    app_env: str = _setting(
        "str",
        "development",
        "`development` or `production`. Production writes JSON logs and refuses unsafe defaults.",
        one_of=("development", "production"),
    )
    database_url: str = _setting(
        "str",
        "sqlite:///.run/celery-camunda.db",
        "SQLAlchemy URL of the store: `mssql+pyodbc://...` in production, `sqlite:///file` in development.",
        secret=True,
        schemes=("sqlite", "mssql+pyodbc"),
    )
    redis_url: str = _setting(
        "str",
        "redis://127.0.0.1:6379/0",
        "URL of Redis or Valkey: broker and result backend. `rediss://` for TLS, with `?ssl_ca_certs=file` for an "
        "authority of your own.",
        secret=True,
        schemes=("redis", "rediss"),
    )
    camunda_base_url: str = _setting(
        "str",
        "http://127.0.0.1:8080/engine-rest",
        "Root of the engine's REST API.",
        schemes=("http", "https"),
    )
    camunda_auth: str = _setting(
        "str",
        "none",
        "How to authenticate at the engine: `none`, `basic` or `bearer`.",
        one_of=("none", "basic", "bearer"),
    )
    camunda_username: str = _setting("str", "", "User name for `CAMUNDA_AUTH=basic`.")
    camunda_password: str = _setting("str", "", "Password for `CAMUNDA_AUTH=basic`.", secret=True)
    camunda_token: str = _setting("str", "", "Token for `CAMUNDA_AUTH=bearer`.", secret=True)
    camunda_timeout_ms: int = _setting(
        "int", 10_000, "Longest wait for an answer of the engine, in milliseconds.", least=100, most=120_000
    )
    camunda_connect_timeout_ms: int = _setting(
        "int", 2_000, "Longest wait for a connection to the engine, in milliseconds.", least=50, most=60_000
    )
    processes: list[str] = _setting(
        "list", ("processes",), "Packages that hold the processes, comma separated; each sub-package is one process."
    )

    # -- the facade
    sync_timeout_ms: int = _setting(
        "int",
        25_000,
        "How long a start waits for its result before it answers 202, in milliseconds: default and ceiling.",
        least=0,
        most=600_000,
    )
    max_waiting_requests: int = _setting(
        "int", 1_000, "Requests that may wait at once in one web process; more are answered 202 at once.", least=1
    )
    max_pending_starts: int = _setting(
        "int", 10_000, "Accepted starts that have no instance yet; past it a start is answered 503.", least=1
    )
    max_streams: int = _setting(
        "int", 100, "Event streams that may be open at once in one web process; more are answered 503.", least=1
    )
    stream_max_s: int = _setting(
        "int", 300, "Longest event stream, in seconds; its client comes back by itself.", least=1, most=86_400
    )
    max_body_kb: int = _setting("int", 4_096, "Largest request body, in KiB; a larger one is answered 413.", least=1)
    retry_after_s: int = _setting("int", 2, "`Retry-After` of a 202 or 503 answer, in seconds.", least=1, most=3_600)
    web_host: str = _setting("str", "127.0.0.1", "Address that the web server listens on.")
    web_port: int = _setting("int", 8000, "Port of the web server.", least=1, most=65_535)
    web_workers: int = _setting("int", 1, "Web server processes.", least=1, most=256)
    web_grace_s: int = _setting(
        "int", 30, "After SIGTERM, how long the web server lets waiting requests end, in seconds.", least=1
    )
    client_timeout_s: int = _setting(
        "int",
        15,
        "How long a client may take to send its headers, to send its body, and to read each part of its answer, in "
        "seconds.",
        least=1,
        most=600,
    )

    # -- who may call
    auth: str = _setting(
        "str",
        "off",
        "`on`: callers need an API key or a token, whichever is set up below. `off` lets everybody in; refused in "
        "production.",
        one_of=("off", "on"),
    )
    api_keys: list[str] = _setting(
        "list",
        (),
        "API keys, comma separated: `name:sha256-of-the-key:scope+scope`. `flask auth new-key` makes one.",
        secret=True,
    )
    jwt_jwks_url: str = _setting("str", "", "Where the public keys of token issuers are (JWKS); empty for no tokens.")
    jwt_issuer: str = _setting("str", "", "Issuer that a token must name (`iss`).")
    jwt_audience: str = _setting("str", "", "Audience that a token must name (`aud`): this service.")
    jwt_leeway_s: int = _setting(
        "int", 30, "How far the clocks of issuer and service may differ, in seconds.", least=0, most=300
    )
    jwt_scope_claim: str = _setting("str", "scope", "Claim that lists a token's scopes: words in a text, or a list.")
    rate_limit: str = _setting(
        "str", "", "Requests that one key, or one address with `AUTH=off`, may make: `600/minute`. Empty for no limit."
    )
    cors_origins: list[str] = _setting(
        "list", (), "Origins whose pages may call this API, comma separated; `*` for all. Empty: none."
    )

    # -- the process monitor
    monitor: str = _setting(
        "str",
        "on",
        "`/monitor`: `on`, `read-only` (nobody starts, retries or cancels there), or `off`.",
        one_of=("on", "read-only", "off"),
    )
    monitor_session_s: int = _setting(
        "int", 28_800, "How long a login to the monitor holds, in seconds.", least=60, most=2_592_000
    )
    monitor_flower_url: str = _setting(
        "str",
        "",
        "Root of Flower as browsers reach it: the monitor links to tasks.",
        schemes=("http", "https"),
        optional=True,
    )
    monitor_cockpit_url: str = _setting(
        "str",
        "",
        "Root of the engine's Cockpit as browsers reach it: the monitor links to instances.",
        schemes=("http", "https"),
        optional=True,
    )

    # -- webhooks
    callback_hosts: list[str] = _setting(
        "list",
        (),
        "Hosts that a `callbackUrl` may name, comma separated: `hooks.example.com`, `.example.com` for any below it, "
        "`host:8443` for another port (`*` for any), `http://host` for one without TLS. Empty: no webhooks.",
    )
    callback_networks: list[str] = _setting(
        "list",
        (),
        "Networks that such a host may have its address in although they are not public: `10.1.0.0/16`.",
    )
    callback_secrets: list[str] = _setting(
        "list",
        (),
        "Secrets that sign webhooks, comma separated: `whsec_` and 24 to 64 bytes in base64. Each signs, for rotation.",
        secret=True,
    )
    callback_source: str = _setting("str", "celery-camunda", "`source` of the CloudEvents that webhooks carry.")
    callback_timeout_ms: int = _setting(
        "int",
        10_000,
        "Longest wait for a receiver's connection, and for its answer, in milliseconds.",
        least=100,
        most=60_000,
    )
    callback_max_attempts: int = _setting("int", 10, "Attempts to deliver a webhook.", least=1, most=50)
    callback_retry_base_ms: int = _setting(
        "int",
        10_000,
        "Pause before a webhook's second attempt, in milliseconds; four times as long before each further one, at most "
        "6 hours.",
        least=100,
        most=3_600_000,
    )
    callback_interval_ms: int = _setting(
        "int", 5_000, "How often beat looks for webhooks that are due, in milliseconds.", least=200, most=60_000
    )

    # -- the steps
    lock_duration_ms: int = _setting(
        "int",
        20_000,
        "How long an external task is locked, in milliseconds; a running handler extends it at half time.",
        least=500,
        most=3_600_000,
    )
    poll_interval_ms: int = _setting(
        "int", 1_000, "How often beat polls the engine for external tasks, in milliseconds.", least=100, most=60_000
    )
    poll_max_tasks: int = _setting("int", 100, "Most external tasks that one fetch locks.", least=1, most=1_000)
    fetch_slow_ms: int = _setting(
        "int",
        12,
        "Fetches of a process's next steps that take longer, in milliseconds, are given up for listing its tasks and "
        "locking each, while that is quicker.",
        least=1,
    )
    steps_in_place_ms: int = _setting(
        "int",
        0,
        "How long a worker goes on with the next steps of a process at once, in milliseconds, instead of sending a "
        "message for each; 0: never. Faster and cheaper for short steps; Flower shows the first of them alone.",
        most=10_000,
    )
    step_time_limit_s: int = _setting(
        "int", 300, "Longest run of a step handler, in seconds, unless the step says otherwise.", least=1
    )
    step_max_lost: int = _setting(
        "int", 3, "Attempts of a step that may be lost with their worker before an incident is made.", least=1
    )
    step_max_memory_mb: int = _setting(
        "int", 2_048, "Memory that one worker process may allocate, in MiB; 0 for no bound.", least=0
    )
    max_running: int = _setting(
        "int", 100_000, "Running instances beyond which accepted starts stay in their queue.", least=1
    )
    worker_concurrency: int = _setting("int", 8, "Steps that one worker runs at once: its slots.", least=1, most=1_000)
    worker_alive_dir: str = _setting(
        "str",
        "",
        "Folder in which a worker keeps the file that `python -m tasks.alive` reads; empty for the system's temporary "
        "one.",
    )
    worker_grace_s: int = _setting(
        "int", 20, "After SIGTERM, how long a worker lets running steps end, in seconds.", least=1
    )
    db_hold_s: int = _setting(
        "int",
        120,
        "How long a finished handler waits for a database that is away, its lock kept alive, in seconds.",
        least=1,
    )

    # -- reconciling
    reconcile_interval_ms: int = _setting(
        "int", 10_000, "How often rows and engine are compared, in milliseconds.", least=500, most=600_000
    )
    resend_after_s: int = _setting(
        "int", 20, "Age at which a start that is in no queue is sent again, in seconds.", least=1
    )

    # -- the store
    db_pool_size: int = _setting("int", 8, "Database connections that a web process keeps.", least=1, most=500)
    db_timeout_ms: int = _setting(
        "int",
        2_000,
        "Longest wait for a database connection, a lock or a statement, in milliseconds.",
        least=100,
        most=60_000,
    )
    result_expires_s: int = _setting(
        "int", 3_600, "How long Redis keeps a process's result for late waiters, in seconds.", least=60
    )

    retention_days: int = _setting(
        "int",
        0,
        "Days after its end at which a process and its events are deleted; 0 keeps everything.",
        least=0,
        most=36_500,
    )
    purge_interval_ms: int = _setting(
        "int",
        60_000,
        "How often old rows are deleted, in milliseconds; each time for at most 10 s.",
        least=20_000,
        most=86_400_000,
    )

    # -- ops
    log_level: str = _setting(
        "str", "INFO", "Least level that is logged.", one_of=("DEBUG", "INFO", "WARNING", "ERROR")
    )
    log_format: str = _setting(
        "str",
        "auto",
        "`json`: one JSON object a line; `console`: readable; `auto`: JSON in production, else readable.",
        one_of=("auto", "json", "console"),
    )
    redact: list[str] = _setting(
        "list",
        (),
        "Names of fields that are not shown in logs, events and errors, comma separated, beside those that never are "
        "(`password`, `token`, `iban`, ...); `-iban` shows one of these. Case and `-_.` do not matter; names that end "
        "in one count too.",
    )
    otel_exporter_otlp_endpoint: str = _setting(
        "str",
        "",
        "Root of the OpenTelemetry collector that traces go to, by OTLP over HTTP: `http://collector:4318`. Empty: no "
        "tracing.",
        schemes=("http", "https"),
        optional=True,
    )
    otel_exporter_otlp_headers: list[str] = _setting(
        "list", (), "Headers that the collector wants, comma separated: `name=value`.", secret=True
    )
    otel_service_name: str = _setting("str", "celery-camunda", "Name under which traces show this service.")
    otel_sample_ratio: float = _setting(
        "float",
        1.0,
        "Share of the traces that begin here that is recorded, 0 to 1; for a caller's trace the caller decides.",
        least=0.0,
        most=1.0,
    )
    metrics_host: str = _setting("str", "127.0.0.1", "Address on which a worker or beat shows its metrics.")
    metrics_port: int = _setting(
        "int",
        0,
        "Port on which a worker or beat shows its metrics, each on one of its own; 0 for none. The web server shows "
        "its own at `/metrics`.",
        least=0,
        most=65_535,
    )
    metrics_token: str = _setting(
        "str",
        "",
        "What a reader of metrics must send as `Authorization: Bearer`, to web server, workers and beat alike; empty "
        "lets everybody read them.",
        secret=True,
    )
    metrics_dir: str = _setting(
        "str",
        "",
        "Folder for the files in which processes count together, best in memory; empty for the system's temporary one.",
    )
    flower_host: str = _setting("str", "127.0.0.1", "Address that Flower listens on.")
    flower_port: int = _setting("int", 5555, "Port of Flower.", least=1, most=65_535)
    flower_basic_auth: str = _setting("str", "", "`user:password` for Flower; required in production.", secret=True)

    # -- the commands that call the API
    process_api_url: str = _setting(
        "str",
        "",
        "Root of the server that `flask process start` and its like call; empty for WEB_HOST and WEB_PORT.",
        schemes=("http", "https"),
        optional=True,
    )
    process_api_key: str = _setting("str", "", "API key or token that they send; empty for none.", secret=True)

    # -- the examples
    partner_base_url: str = _setting(
        "str",
        "http://127.0.0.1:8090",
        "Root of the partner services that the examples call.",
        schemes=("http", "https"),
    )
    partner_timeout_ms: int = _setting(
        "int", 5_000, "Longest wait for an answer of a partner service, in milliseconds.", least=50
    )

    @property
    def client_url(self) -> str:
        """Root of the server that the commands call."""
        # A server that listens on every address is reached at this one.
        host = "127.0.0.1" if self.web_host.strip("0.:") == "" else self.web_host
        return self.process_api_url or f"http://{host}:{self.web_port}"

    @property
    def celery_redis_url(self) -> str:
        """REDIS_URL for Celery, which of a TLS one wants to be told that the server's certificate is to be checked."""
        if not self.redis_url.startswith("rediss:") or "ssl_cert_reqs=" in self.redis_url:
            return self.redis_url
        return f"{self.redis_url}{'&' if '?' in self.redis_url else '?'}ssl_cert_reqs=required"

    @property
    def is_production(self) -> bool:
        """True when the process runs with production's rules."""
        return self.app_env == "production"

    @property
    def logs_json(self) -> bool:
        """True when each line of the log is a JSON object."""
        return self.log_format == "json" or (self.log_format == "auto" and self.is_production)


def load() -> Settings:
    """Read and check the settings.

    Raises:
        SettingsError: names each variable that cannot be used and what it must be.
    """
    env = FileAwareEnv(eager=False, strip_whitespace=True)
    env.read_env(".env", recurse=False)
    values: dict[str, Any] = {}
    try:
        for item in fields(Settings):
            read = getattr(env, item.metadata["kind"])
            values[item.name] = read(item.name.upper(), item.default, validate=_checks(item.metadata))
        env.seal()
    except (EnvValidationError, ValueError) as error:
        raise SettingsError(_reasons(error)) from None
    for name, value in values.items():
        if isinstance(value, list):
            values[name] = [entry.strip() for entry in value if entry.strip()]
    settings = Settings(**values)
    if contradictions := _contradictions(settings):
        raise SettingsError("; ".join(contradictions))
    return settings


@cache
def get_settings() -> Settings:
    """The settings of this process, read at the first call."""
    return load()


def settings_or_exit() -> Settings:
    """The same, for what begins a process: where in our code a fault was noticed says nothing to whoever made it.

    Raises:
        SystemExit: a setting cannot be used; the text names it.
    """
    try:
        return get_settings()
    except SettingsError as error:
        raise SystemExit(str(error)) from None


def _checks(limits: Any) -> list[Callable[[Any], None]]:
    checks: list[Callable[[Any], None]] = []

    def check(is_wrong: Callable[[Any], bool], message: str) -> None:
        def validate(value: Any) -> None:
            if is_wrong(value):
                raise ValidationError(message)

        checks.append(validate)

    if "least" in limits:
        check(lambda value: value < limits["least"], f"must be at least {limits['least']}")
    if "most" in limits:
        check(lambda value: value > limits["most"], f"must be at most {limits['most']}")
    if "one_of" in limits:
        check(lambda value: value not in limits["one_of"], "must be one of " + ", ".join(limits["one_of"]))
    if "schemes" in limits:
        starts = " or ".join(f"{scheme}://" for scheme in limits["schemes"])
        allowed = ("",) if limits.get("optional") else ()
        check(
            lambda value: value not in allowed and not _is_url(value, limits["schemes"]),
            f"must be a URL that begins with {starts}",
        )
    return checks


def _is_url(value: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(value)
        # A file has no host, and a database may be named without one; `port` raises when it is no number.
        complete = not parts.scheme.startswith("http") or (bool(parts.hostname) and parts.port != 0)
    except ValueError:
        return False
    return complete and parts.scheme in schemes


def _reasons(error: EnvValidationError | ValueError) -> str:
    messages = getattr(error, "error_messages", None)
    if not isinstance(messages, dict):
        return str(error)
    return "; ".join(f"{name}: {' '.join(str(text) for text in texts)}" for name, texts in messages.items())


def _contradictions(settings: Settings) -> list[str]:
    found = []
    if settings.camunda_auth == "basic" and not (settings.camunda_username and settings.camunda_password):
        found.append("CAMUNDA_AUTH=basic needs CAMUNDA_USERNAME and CAMUNDA_PASSWORD")
    if settings.camunda_auth == "bearer" and not settings.camunda_token:
        found.append("CAMUNDA_AUTH=bearer needs CAMUNDA_TOKEN")
    if settings.camunda_timeout_ms >= settings.lock_duration_ms:
        found.append("CAMUNDA_TIMEOUT_MS must be shorter than LOCK_DURATION_MS, or a slow answer outlives the lock")
    if settings.is_production and not settings.flower_basic_auth:
        found.append("FLOWER_BASIC_AUTH must be set when APP_ENV=production")
    if settings.flower_basic_auth and not FLOWER_LOGIN.match(settings.flower_basic_auth):
        found.append("FLOWER_BASIC_AUTH must be user:password, of ASCII characters")
    if settings.is_production and settings.auth == "off":
        found.append("AUTH=off is refused when APP_ENV=production: set AUTH=on with API_KEYS or JWT_JWKS_URL")
    return found + _auth_faults(settings) + _callback_faults(settings) + _watching_faults(settings)


def _watching_faults(settings: Settings) -> list[str]:
    found = [f"REDACT: {entry!r} is no name of a field" for entry in settings.redact if not REDACT_ENTRY.match(entry)]
    for place, entry in enumerate(settings.otel_exporter_otlp_headers, 1):
        if "=" not in entry.strip("="):
            found.append(f"OTEL_EXPORTER_OTLP_HEADERS: entry {place} is not name=value")
    return found


def _auth_faults(settings: Settings) -> list[str]:
    found = []
    for place, entry in enumerate(settings.api_keys, 1):
        # The entry itself may be a key that was pasted here by mistake: it is not shown.
        if not API_KEY_ENTRY.match(entry):
            found.append(f"API_KEYS: entry {place} is not name:sha256-hex:scope+scope")
    names = [entry.partition(":")[0] for entry in settings.api_keys]
    if len(set(names)) < len(names):
        found.append("API_KEYS: two entries have the same name")
    if settings.auth == "on" and not (settings.api_keys or settings.jwt_jwks_url):
        found.append("AUTH=on needs API_KEYS or JWT_JWKS_URL")
    if settings.jwt_jwks_url:
        schemes = ("https",) if settings.is_production else ("http", "https")
        if not _is_url(settings.jwt_jwks_url, schemes):
            found.append("JWT_JWKS_URL: must be a URL that begins with " + " or ".join(f"{it}://" for it in schemes))
        if not (settings.jwt_issuer and settings.jwt_audience):
            found.append("JWT_JWKS_URL needs JWT_ISSUER and JWT_AUDIENCE")
    if settings.rate_limit and not RATE.match(settings.rate_limit):
        found.append("RATE_LIMIT: must be like 600/minute (second, minute, hour or day)")
    if any(origin != "*" and not _is_origin(origin) for origin in settings.cors_origins):
        found.append("CORS_ORIGINS: must be * or origins such as https://portal.example.org, without a path")
    return found


def _is_origin(text: str) -> bool:
    return _is_url(text, ("http", "https")) and text == f"{urlsplit(text).scheme}://{urlsplit(text).netloc}"


def _callback_faults(settings: Settings) -> list[str]:
    found = []
    for entry in settings.callback_hosts:
        named = CALLBACK_HOST.match(entry)
        if named is None or int((named["port"] or "443").replace("*", "443")) not in range(1, 65_536):
            found.append(f"CALLBACK_HOSTS: {entry!r} is not [scheme://]host[:port]")
    for entry in settings.callback_networks:
        try:
            ip_network(entry)
        except ValueError:
            found.append(f"CALLBACK_NETWORKS: {entry!r} is no network like 10.1.0.0/16")
    for place, entry in enumerate(settings.callback_secrets, 1):
        match = CALLBACK_SECRET.match(entry)
        if not match or not _is_base64_of(match["key"], range(24, 65)):
            found.append(f"CALLBACK_SECRETS: entry {place} is not whsec_ and 24 to 64 bytes in base64")
    if settings.callback_hosts and not settings.callback_secrets:
        found.append("CALLBACK_HOSTS needs CALLBACK_SECRETS: nobody could tell our webhooks from forged ones")
    if settings.callback_hosts and not settings.callback_source.strip():
        found.append("CALLBACK_SOURCE must not be empty")
    return found


def _is_base64_of(text: str, lengths: range) -> bool:
    try:
        return len(b64decode(text, validate=True)) in lengths
    except ValueError:
        return False
