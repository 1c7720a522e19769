"""The ODBC driver that is found, its connection string, and the secrets that no text contains."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from dev.ports import free_port
from service.health import Health
from store import driver as odbc
from store.database import Database
from store.driver import Driver, described, parse_url, pick_library, with_driver
from store.errors import DatabaseUnavailable, InvalidDatabaseUrl, NoDriver

MICROSOFT = Driver("ODBC Driver 18 for SQL Server", "ODBC Driver 18 for SQL Server")
FREETDS = Driver("FreeTDS", "FreeTDS")
PASSWORD = "geheim-4711"
URL = f"mssql+pyodbc://app:{PASSWORD}@127.0.0.1:{{}}/processes"

LIBS = "mssql_python_odbc/libs"
FILES = [
    f"{LIBS}/linux/{family}/{machine}/{rest}"
    for family in ("alpine", "debian_ubuntu", "rhel", "suse")
    for machine in ("x86_64", "arm64")
    for rest in ("lib/libmsodbcsql-18.6.so.2.1", "lib/libodbcinst.so.2", "share/resources/en_US/msodbcsqlr18.rll")
] + [f"{LIBS}/macos/{machine}/lib/libmsodbcsql.18.dylib" for machine in ("x86_64", "arm64")]


def string_for(url: str, driver: Driver) -> dict[str, str]:
    """The keywords of the connection string that pyodbc gets."""
    engine = sa.create_engine(with_driver(parse_url(url), driver), module=odbc.load_pyodbc())
    ((text,), _) = engine.dialect.create_connect_args(engine.url)
    return dict(part.split("=", 1) for part in text.split(";"))


@pytest.mark.parametrize(
    ("system", "machine", "distribution", "expected"),
    [
        ("Linux", "x86_64", "debian", "linux/debian_ubuntu/x86_64/lib/libmsodbcsql-18.6.so.2.1"),
        ("Linux", "aarch64", "ubuntu debian", "linux/debian_ubuntu/arm64/lib/libmsodbcsql-18.6.so.2.1"),
        ("Linux", "x86_64", "rocky rhel centos fedora", "linux/rhel/x86_64/lib/libmsodbcsql-18.6.so.2.1"),
        ("Linux", "x86_64", "opensuse-leap suse opensuse", "linux/suse/x86_64/lib/libmsodbcsql-18.6.so.2.1"),
        ("Linux", "x86_64", "alpine", "linux/alpine/x86_64/lib/libmsodbcsql-18.6.so.2.1"),
        ("Linux", "x86_64", "", "linux/debian_ubuntu/x86_64/lib/libmsodbcsql-18.6.so.2.1"),
        ("Darwin", "arm64", "", "macos/arm64/lib/libmsodbcsql.18.dylib"),
        ("Linux", "riscv64", "debian", None),
    ],
)
def test_library_of_the_package_fits_the_machine(
    system: str, machine: str, distribution: str, expected: str | None
) -> None:
    found = pick_library(FILES, system, machine, distribution)
    assert found == (expected and f"{LIBS}/{expected}")


def test_library_is_there_on_this_machine() -> None:
    library = odbc.packaged_library()
    assert library is not None
    assert library.is_file()


@pytest.mark.parametrize(
    ("registered", "expected"),
    [
        (
            ["FreeTDS", "ODBC Driver 17 for SQL Server", "ODBC Driver 18 for SQL Server"],
            "ODBC Driver 18 for SQL Server",
        ),
        (["FreeTDS", "ODBC Driver 17 for SQL Server"], "ODBC Driver 17 for SQL Server"),
    ],
)
def test_registered_driver_is_preferred(monkeypatch: pytest.MonkeyPatch, registered: list[str], expected: str) -> None:
    monkeypatch.setattr(odbc.load_pyodbc(), "drivers", lambda: registered)
    assert odbc.choose(parse_url(URL.format(1433))).place == expected


@pytest.mark.parametrize("registered", [[], ["SQLite3", "FreeTDS"]])
def test_without_a_registered_driver_of_microsoft_the_package_has_one(
    monkeypatch: pytest.MonkeyPatch, registered: list[str]
) -> None:
    monkeypatch.setattr(odbc.load_pyodbc(), "drivers", lambda: registered)
    found = odbc.choose(parse_url(URL.format(1433)))
    assert Path(found.place) == odbc.packaged_library()
    assert found.name.endswith("of mssql-python-odbc 18.6.2.2")


def test_freetds_comes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(odbc.load_pyodbc(), "drivers", lambda: ["SQLite3", "FreeTDS"])
    monkeypatch.setattr(odbc, "packaged_library", lambda: None)
    assert odbc.choose(parse_url(URL.format(1433))) == FREETDS


def test_without_any_driver_the_ways_out_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(odbc.load_pyodbc(), "drivers", list)
    monkeypatch.setattr(odbc, "packaged_library", lambda: None)
    with pytest.raises(NoDriver, match=r"mssql-python-odbc.*msodbcsql18.*tdsodbc.*driver=NAME"):
        Database(URL.format(1433), pool_size=1, timeout_ms=100)


@pytest.mark.parametrize("name", ["No Such Driver", "/no/such/libmsodbcsql.so"])
def test_named_driver_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(NoDriver, match=name):
        Database(f"{URL.format(1433)}?driver={name}", pool_size=1, timeout_ms=100)


def test_microsofts_driver_encrypts_and_checks_the_certificate() -> None:
    said = string_for(URL.format(1433), MICROSOFT)
    assert said["DRIVER"] == "{ODBC Driver 18 for SQL Server}"
    assert said["Server"] == "127.0.0.1,1433"
    assert said["Encrypt"] == "yes"
    assert "TrustServerCertificate" not in said


def test_certificate_is_trusted_only_when_the_url_says_so() -> None:
    said = string_for(f"{URL.format(1433)}?TrustServerCertificate=yes&encrypt=strict", MICROSOFT)
    assert said["TrustServerCertificate"] == "yes"
    assert said["encrypt"] == "strict"
    assert "Encrypt" not in said


@pytest.mark.parametrize(
    ("options", "encryption"),
    [
        ("", "require"),
        ("?Encrypt=yes&TrustServerCertificate=yes", "require"),
        ("?encrypt=no", "off"),
        ("?Encryption=request", "request"),
    ],
)
def test_freetds_has_its_own_keywords(options: str, encryption: str) -> None:
    said = string_for(f"{URL.format(1433)}{options}", FREETDS)
    assert (said["TDS_Version"], said["Encryption"], said["ClientCharset"]) == ("7.4", encryption, "UTF-8")
    assert (said["Server"], said["port"]) == ("127.0.0.1", "1433")
    assert not {key for key in said if key.lower() in {"encrypt", "trustservercertificate"}}


def test_connection_string_of_the_user_is_not_changed() -> None:
    url = parse_url("mssql+pyodbc:///?odbc_connect=DRIVER%3DFreeTDS%3BPWD%3Dx")
    assert with_driver(url, odbc.choose(url)) is url


@pytest.mark.parametrize("place", ["package", "FreeTDS"])
def test_driver_is_loaded_and_reports_a_closed_port(place: str) -> None:
    name = str(odbc.packaged_library()) if place == "package" else place
    database = Database(f"{URL.format(free_port())}?driver={name}", pool_size=1, timeout_ms=3_000)
    with pytest.raises(DatabaseUnavailable) as away:
        database.ping()
    database.dispose()
    said = str(away.value)
    assert "[FreeTDS]" in said or "[Microsoft][ODBC Driver 18 for SQL Server]" in said
    # 08001, or the codes of FreeTDS and of a login time-out for the same
    assert any(state in said for state in ("08001", "08S01", "HYT00"))
    assert "Can't open lib" not in said


def test_password_is_in_no_error_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    database = Database(URL.format(free_port()), pool_size=1, timeout_ms=1_000)
    with pytest.raises(DatabaseUnavailable) as away:
        database.ping()
    logging.getLogger("any").error("away", exc_info=away.value)
    database.dispose()
    told = [*traceback.format_exception(away.value), repr(away.value), repr(away.value.__cause__), caplog.text]
    assert not [text for text in told if PASSWORD in text]
    assert PASSWORD not in database.described


def test_message_of_the_driver_is_passed_on_without_the_password() -> None:
    database = Database(URL.format(1433), pool_size=1, timeout_ms=1_000)
    quoting = sa.exc.OperationalError(
        "x", {}, Exception("08001", f"[08001] UID=app;PWD={PASSWORD} (0) (SQLDriverConnect)")
    )
    with pytest.raises(DatabaseUnavailable) as away, database.translating():
        raise quoting
    assert "***" in str(away.value)
    assert PASSWORD not in str(away.value)


@pytest.mark.parametrize(
    "url", ["mssql+pyodbc//sa:geheim-4711@server/db", "mssql+pyodbc://sa:half@4711:geheim-4711@server/db"]
)
def test_url_that_cannot_be_read_is_not_quoted(url: str) -> None:
    with pytest.raises(InvalidDatabaseUrl) as error:
        parse_url(url)
    assert PASSWORD not in "".join(traceback.format_exception(error.value))


@pytest.mark.parametrize(
    "driver", [MICROSOFT, FREETDS, Driver("libmsodbcsql-18.6.so.2.1", "/x/libmsodbcsql-18.6.so.2.1")]
)
@pytest.mark.parametrize("advice", ["", "READ_COMMITTED_SNAPSHOT is off"])
def test_driver_is_named_in_log_and_health_and_the_server_in_the_log_alone(
    monkeypatch: pytest.MonkeyPatch, driver: Driver, advice: str
) -> None:
    monkeypatch.setattr(odbc, "choose", lambda _: driver)
    database = Database(URL.format(1433), pool_size=1, timeout_ms=1_000)
    monkeypatch.setattr(database, "ping", lambda: None)
    monkeypatch.setattr(database, "advice", lambda: advice)
    said = Health(SimpleNamespace(database=database))._database().detail  # type: ignore[arg-type]
    assert said == f"mssql through {driver.name}" + (f"; {advice}" if advice else "")
    assert database.described == f"mssql 127.0.0.1:1433/processes through {driver.name}"


def test_described_shows_neither_user_nor_password_nor_options() -> None:
    assert described(parse_url(URL.format(1433) + "?PWD=geheim")) == "mssql 127.0.0.1:1433/processes"
    assert described(parse_url("mssql+pyodbc:///?odbc_connect=PWD%3Dgeheim")) == "mssql of a connection string/"
    assert described(parse_url("sqlite:///x.db")) == "sqlite x.db"
