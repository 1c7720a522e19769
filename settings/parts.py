"""Settings of the environment: database, broker, engine and process packages."""

from __future__ import annotations

import re
from dataclasses import dataclass

from settings.reading import setting

#: a tenant id, or nothing. It is a segment of an address (so not `.` or `..`) and an entry of a list with commas; the
#: engine's column holds 64 characters.
TENANT_ID = re.compile(r"(?!\.+\Z)[\w.~@:-]{0,64}\Z")


@dataclass(frozen=True)
class Parts:
    """Environment, database, broker and engine."""

    app_env: str = setting(
        "str",
        "development",
        "`development` or `production`. In production logs are JSON, and unsafe defaults are not allowed.",
        one_of=("development", "production"),
    )
    database_url: str = setting(
        "str",
        "sqlite:///.run/celery-camunda.db",
        "SQLAlchemy URL of the store: `mssql+pyodbc://...` in production, `sqlite:///file` in development.",
        secret=True,
        schemes=("sqlite", "mssql+pyodbc"),
    )
    redis_url: str = setting(
        "str",
        "redis://127.0.0.1:6379/0",
        "URL of Redis or Valkey, the broker and result backend. `rediss://` for TLS, with `?ssl_ca_certs=file` for "
        "your own certificate authority.",
        secret=True,
        schemes=("redis", "rediss"),
    )
    camunda_base_url: str = setting(
        "str",
        "http://127.0.0.1:8080/engine-rest",
        "Root URL of the engine's REST API.",
        schemes=("http", "https"),
    )
    camunda_auth: str = setting(
        "str",
        "none",
        "Authentication at the engine: `none`, `basic` or `bearer`.",
        one_of=("none", "basic", "bearer"),
    )
    camunda_username: str = setting("str", "", "User name for `CAMUNDA_AUTH=basic`.")
    camunda_password: str = setting("str", "", "Password for `CAMUNDA_AUTH=basic`.", secret=True)
    camunda_token: str = setting("str", "", "Token for `CAMUNDA_AUTH=bearer`.", secret=True)
    camunda_tenant_id: str = setting(
        "str",
        "",
        "The tenant of the engine that this installation works for: it deploys, starts, fetches and reads nothing of "
        "other tenants. If it is empty, it works for what belongs to no tenant.",
        matches=TENANT_ID,
        must="must be 1 to 64 letters, digits or characters of `. _ ~ @ : -`, and more than dots",
    )
    camunda_timeout_ms: int = setting(
        "int", 10_000, "Longest wait for an answer of the engine, in milliseconds.", least=100, most=120_000
    )
    camunda_connect_timeout_ms: int = setting(
        "int", 2_000, "Longest wait for a connection to the engine, in milliseconds.", least=50, most=60_000
    )
    camunda_script_languages: list[str] = setting(
        "list",
        ("groovy", "javascript"),
        "Scripting languages of the engine, comma separated, for `flask process check`. The engines' own distributions "
        "have these two.",
    )
    processes: list[str] = setting(
        "list", ("processes",), "Packages with the processes, comma separated; each sub-package is one process."
    )

    @property
    def celery_redis_url(self) -> str:
        """REDIS_URL for Celery, which for TLS needs an option to check the certificate of the server."""
        if not self.redis_url.startswith("rediss:") or "ssl_cert_reqs=" in self.redis_url:
            return self.redis_url
        return f"{self.redis_url}{'&' if '?' in self.redis_url else '?'}ssl_cert_reqs=required"

    @property
    def is_production(self) -> bool:
        """True when the rules for production apply."""
        return self.app_env == "production"


def faults(settings: Parts) -> list[str]:
    """The contradictions among these settings, each as a sentence that names them."""
    found = []
    if settings.camunda_auth == "basic" and not (settings.camunda_username and settings.camunda_password):
        found.append("CAMUNDA_AUTH=basic needs CAMUNDA_USERNAME and CAMUNDA_PASSWORD")
    if settings.camunda_auth == "bearer" and not settings.camunda_token:
        found.append("CAMUNDA_AUTH=bearer needs CAMUNDA_TOKEN")
    return found
