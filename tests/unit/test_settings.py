"""Settings are read and checked once, and each fault names its variable."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from app.security.api_keys import new_entry
from dev.environment import ROOT
from settings import Settings, SettingsError, load
from tests.support.doc_blocks import blocks_of


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove the variables of this project and the `.env` file."""
    for item in fields(Settings):
        monkeypatch.delenv(item.name.upper(), raising=False)
        monkeypatch.delenv(f"{item.name.upper()}_FILE", raising=False)
    monkeypatch.chdir(tmp_path)


def fault_of(**variables: str) -> str:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        with pytest.raises(SettingsError) as error:
            load()
    return str(error.value)


def test_settings_that_the_readme_shows_for_production_are_all_that_production_needs(tmp_path: Path) -> None:
    (block,) = [block for block in blocks_of("README.md") if "APP_ENV=production" in block.text]
    _, entry = new_entry("portal", ["process:start"])
    exports = block.text[: block.text.index("python -m")].replace("portal:…", entry)
    script = f"{exports}\nexec {sys.executable} -c 'import settings; settings.load()'"

    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_without_variables_each_setting_has_its_default() -> None:
    settings = load()
    assert settings.sync_timeout_ms == 25_000
    assert settings.database_url.startswith("sqlite:///")
    assert list(settings.processes) == ["processes"]
    assert not settings.is_production


def test_every_setting_has_a_sentence() -> None:
    for item in fields(Settings):
        assert item.metadata["doc"].endswith("."), item.name


def test_variable_sets_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_PORT", " 8123 ")
    monkeypatch.setenv("PROCESSES", "one, two.three")
    settings = load()
    assert settings.web_port == 8123
    assert settings.processes == ["one", "two.three"]


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("WEB_PORT", "x", "valid integer"),
        ("WEB_PORT", "0", "at least 1"),
        ("WEB_PORT", "65536", "at most 65535"),
        ("WEB_PORT", "1.5", "valid integer"),
        ("SYNC_TIMEOUT_MS", "-1", "at least 0"),
        ("MAX_BODY_KB", "", ""),
        ("APP_ENV", "staging", "development, production"),
        ("LOG_LEVEL", "info", "DEBUG, INFO, WARNING, ERROR"),
        ("CAMUNDA_AUTH", "digest", "none, basic, bearer"),
        ("DATABASE_URL", "postgresql://db/x", "sqlite:// or mssql+pyodbc://"),
        ("DATABASE_URL", "store.db", "sqlite:// or mssql+pyodbc://"),
        ("REDIS_URL", "http://redis", "redis:// or rediss://"),
        ("REDIS_URL", "sentinel://redis:26379", "redis:// or rediss://"),
        ("CAMUNDA_BASE_URL", "camunda:8080", "http:// or https://"),
        ("CAMUNDA_BASE_URL", "http://", "http:// or https://"),
        ("CAMUNDA_BASE_URL", "http://[::1", "http:// or https://"),
        ("CAMUNDA_BASE_URL", "http://camunda:port/engine-rest", "http:// or https://"),
        ("CAMUNDA_TENANT_ID", "north,south", "must be 1 to 64 letters, digits"),
        ("CAMUNDA_TENANT_ID", "north/south", "must be 1 to 64 letters, digits"),
        ("CAMUNDA_TENANT_ID", "north south", "must be 1 to 64 letters, digits"),
        ("CAMUNDA_TENANT_ID", "..", "more than dots"),
        ("CAMUNDA_TENANT_ID", "x" * 65, "must be 1 to 64 letters, digits"),
        ("PARTNER_BASE_URL", "", "http:// or https://"),
        ("LOCK_DURATION_MS", "10", "at least 500"),
    ],
)
def test_value_that_cannot_be_used_is_named_with_what_it_must_be(name: str, value: str, says: str) -> None:
    fault = fault_of(**{name: value})
    assert name in fault
    assert says in fault


def test_every_fault_is_named_at_once() -> None:
    fault = fault_of(WEB_PORT="x", APP_ENV="y", DATABASE_URL="z")
    assert all(name in fault for name in ("WEB_PORT", "APP_ENV", "DATABASE_URL"))


@pytest.mark.parametrize(
    ("variables", "names"),
    [
        ({"CAMUNDA_AUTH": "basic", "CAMUNDA_USERNAME": "u"}, ["CAMUNDA_AUTH", "CAMUNDA_PASSWORD"]),
        ({"CAMUNDA_AUTH": "basic", "CAMUNDA_PASSWORD": "p"}, ["CAMUNDA_AUTH", "CAMUNDA_USERNAME"]),
        ({"CAMUNDA_AUTH": "bearer"}, ["CAMUNDA_AUTH", "CAMUNDA_TOKEN"]),
        ({"CAMUNDA_TIMEOUT_MS": "20000", "LOCK_DURATION_MS": "20000"}, ["CAMUNDA_TIMEOUT_MS", "LOCK_DURATION_MS"]),
        ({"APP_ENV": "production"}, ["FLOWER_BASIC_AUTH", "APP_ENV"]),
        ({"FLOWER_BASIC_AUTH": "password-alone"}, ["FLOWER_BASIC_AUTH must be user:password"]),
        ({"FLOWER_BASIC_AUTH": ":password"}, ["FLOWER_BASIC_AUTH must be user:password"]),
        ({"FLOWER_BASIC_AUTH": "ops:"}, ["FLOWER_BASIC_AUTH must be user:password"]),
        ({"FLOWER_BASIC_AUTH": "ops:schlüssel"}, ["FLOWER_BASIC_AUTH must be user:password"]),
        ({"APP_ENV": "production"}, ["AUTH=off", "API_KEYS", "JWT_JWKS_URL"]),
        ({"AUTH": "on"}, ["AUTH=on", "API_KEYS", "JWT_JWKS_URL"]),
        ({"API_KEYS": "ck_pasted"}, ["API_KEYS", "entry 1"]),
        ({"API_KEYS": f"a:{'0' * 64}:process:read,a:{'1' * 64}:process:read"}, ["API_KEYS", "same name"]),
        ({"API_KEYS": f"a:{'0' * 64}:process:own"}, ["API_KEYS", "entry 1"]),
        ({"JWT_JWKS_URL": "https://issuer/jwks", "JWT_ISSUER": "us"}, ["JWT_JWKS_URL", "JWT_AUDIENCE"]),
        ({"JWT_JWKS_URL": "issuer/jwks"}, ["JWT_JWKS_URL", "https://"]),
        ({"RATE_LIMIT": "many"}, ["RATE_LIMIT", "600/minute"]),
        ({"CORS_ORIGINS": "https://portal.example.org/path"}, ["CORS_ORIGINS"]),
    ],
)
def test_settings_that_contradict_each_other_are_named(variables: dict[str, str], names: list[str]) -> None:
    fault = fault_of(**variables)
    assert all(name in fault for name in names), fault


def test_production_accepts_keys_and_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "APP_ENV": "production",
        "FLOWER_BASIC_AUTH": "ops:password",
        "AUTH": "on",
        "API_KEYS": f"a:{'0' * 64}:process:read, b:{'1' * 64}:process:start+process:read",
        "JWT_JWKS_URL": "https://issuer/jwks",
        "JWT_ISSUER": "us",
        "JWT_AUDIENCE": "it",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert load().is_production
    assert "JWT_JWKS_URL" in fault_of(JWT_JWKS_URL="http://issuer/jwks")


def test_pasted_key_is_not_shown() -> None:
    assert "ck_pasted" not in fault_of(API_KEYS="ck_pasted")


def test_every_contradiction_is_named_at_once() -> None:
    fault = fault_of(APP_ENV="production", CAMUNDA_AUTH="bearer", CAMUNDA_TIMEOUT_MS="120000")
    assert all(name in fault for name in ("FLOWER_BASIC_AUTH", "CAMUNDA_TOKEN", "CAMUNDA_TIMEOUT_MS"))


def test_no_message_contains_a_secret() -> None:
    secret = "s3cret"
    for name in ("DATABASE_URL", "REDIS_URL"):
        assert secret not in fault_of(**{name: f"wrong://user:{secret}@host/db"})
    assert secret not in fault_of(CAMUNDA_AUTH="basic", CAMUNDA_PASSWORD=secret)
    assert secret not in fault_of(FLOWER_BASIC_AUTH=secret)


def test_no_representation_contains_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mssql+pyodbc://user:s3cret@host/db")
    monkeypatch.setenv("REDIS_URL", "redis://:s3cret@host/0")
    for name in ("CAMUNDA_PASSWORD", "CAMUNDA_TOKEN"):
        monkeypatch.setenv(name, "s3cret")
    monkeypatch.setenv("FLOWER_BASIC_AUTH", "ops:s3cret")
    settings = load()
    assert "s3cret" not in repr(settings)
    assert "sync_timeout_ms=25000" in repr(settings)


def test_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-file\n")
    monkeypatch.setenv("CAMUNDA_AUTH", "bearer")
    monkeypatch.setenv("CAMUNDA_TOKEN_FILE", str(tmp_path / "token"))
    assert load().camunda_token == "from-file"


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert "CAMUNDA_TOKEN_FILE" in fault_of(CAMUNDA_TOKEN_FILE=str(tmp_path / "missing"))
    assert "CAMUNDA_TOKEN_FILE" in fault_of(CAMUNDA_TOKEN_FILE=str(tmp_path))


def test_env_file_is_read_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("WEB_PORT=8001\nFLOWER_PORT=8002\n")
    monkeypatch.setenv("WEB_PORT", "9001")
    settings = load()
    assert (settings.web_port, settings.flower_port) == (9001, 8002)
    assert "FLOWER_PORT" not in os.environ


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        load().web_port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    "command",
    [
        "celery -A tasks worker",
        "celery -A tasks beat",
        "flask --app app process list",
        "python -m store.migrate",
        "gunicorn -c app/gunicorn.py app:create_app()",
    ],
)
def test_program_whose_setting_cannot_be_used_ends_with_its_name_and_no_trace_of_our_code(command: str) -> None:
    program, *arguments = command.split()
    done = subprocess.run(
        [str(Path(sys.executable).with_name(program)), *arguments],
        cwd=ROOT,
        env={**os.environ, "WEB_PORT": "x"},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "WEB_PORT: Not a valid integer." in done.stderr
    assert "Traceback" not in done.stderr
