"""Chooses the ODBC driver for SQL Server, and writes its connection string.

In this order: the driver that DATABASE_URL names (`?driver=`); a driver of Microsoft that is registered with unixODBC;
the driver inside the PyPI package `mssql-python-odbc`, which needs no registration; FreeTDS, if registered. Microsoft's
drivers and FreeTDS use different keywords in the connection string.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from store.errors import InvalidDatabaseUrl, NoDriver

#: names of Microsoft's registered drivers, the preferred one first
MICROSOFT = ("ODBC Driver 18 for SQL Server", "ODBC Driver 17 for SQL Server")
#: name under which Debian's package `tdsodbc` registers FreeTDS
FREETDS = "FreeTDS"
#: PyPI package that contains Microsoft's driver as a shared library
PACKAGE = "mssql-python-odbc"
#: name of this application in the sessions of SQL Server
APPLICATION = "celery-camunda"

_SOLUTIONS = (
    f"install the PyPI package {PACKAGE}, or Microsoft's msodbcsql18, or FreeTDS (Debian: tdsodbc); "
    "or name a driver: mssql+pyodbc://.../database?driver=NAME"
)
#: sets of names of the same architecture
_ARCHITECTURES = ({"x86_64", "amd64", "x64"}, {"aarch64", "arm64"})
_NO_MANAGER = "pyodbc cannot be loaded ({}); it needs unixODBC (Debian: libodbc2 and libodbcinst2)"
#: value of `Encrypt` for Microsoft's drivers -> value of `Encryption` for FreeTDS
_FREETDS_ENCRYPTION = {
    "yes": "require",
    "true": "require",
    "mandatory": "require",
    "strict": "strict",
    "no": "off",
    "false": "off",
    "optional": "request",
}


@dataclass(frozen=True, slots=True)
class Driver:
    """An ODBC driver: `name` for people, `place` for the connection string (a registered name, or a file)."""

    name: str
    place: str

    @property
    def is_freetds(self) -> bool:
        """True when it is FreeTDS, by the registered name or the name of the file."""
        return "freetds" in self.place.lower() or "tdsodbc" in self.place.lower()


def parse_url(text: str) -> URL:
    """Parse DATABASE_URL.

    Raises:
        InvalidDatabaseUrl: `text` isn't a valid URL.
    """
    try:
        return make_url(text)
    except (ArgumentError, ValueError):
        # Without the URL and the message of the parser: with an unescaped `@` in the password they show a part of it.
        raise InvalidDatabaseUrl(
            "DATABASE_URL is not a valid URL: percent-encode special characters in user and password, check the port"
        ) from None


def described(url: URL) -> str:
    """The URL for logs and answers: kind, host and database, without user, password and options."""
    if url.get_backend_name() == "sqlite":
        return f"sqlite {url.database}"
    port = f":{url.port}" if url.port else ""
    return f"{url.get_backend_name()} {url.host or 'of a connection string'}{port}/{url.database or ''}"


def choose(url: URL) -> Driver:
    """The driver for `url`.

    Raises:
        NoDriver: no driver was found.
    """
    named = _option(url, "driver")
    if named is not None:
        if not (Path(named).is_file() if "/" in named else named in load_pyodbc().drivers()):
            raise NoDriver(f"the ODBC driver {named!r} of DATABASE_URL does not exist: {_SOLUTIONS}")
        return Driver(Path(named).name, named)
    if _has_own_driver(url):
        # A connection string or a data source defines its driver itself.
        return Driver("the driver of DATABASE_URL", "")
    registered = set(load_pyodbc().drivers())
    for name in MICROSOFT:
        if name in registered:
            return Driver(name, name)
    library = packaged_library()
    if library is not None:
        return Driver(f"{library.name} of {PACKAGE} {metadata.version(PACKAGE)}", str(library))
    if FREETDS in registered:
        return Driver(FREETDS, FREETDS)
    raise NoDriver(f"no ODBC driver for SQL Server was found: {_SOLUTIONS}")


def packaged_library() -> Path | None:
    """The file of the driver for this machine inside :data:`PACKAGE`; None when the package isn't installed."""
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        return None
    found = pick_library((str(file) for file in files), platform.system(), platform.machine(), _distribution())
    return next((Path(str(file.locate())) for file in files if str(file) == found), None)


def pick_library(files: Iterable[str], system: str, machine: str, distribution: str) -> str | None:
    """The driver file among `files` for a system; None when there is none.

    Args:
        files: paths inside the package, such as `.../libs/linux/debian_ubuntu/x86_64/lib/libmsodbcsql-18.6.so.2.1`.
        system: `Linux`, `Darwin` or `Windows`, as `platform.system()` returns it.
        machine: as `platform.machine()` returns it.
        distribution: ID and ID_LIKE of `/etc/os-release`.
    """
    libraries = [file for file in files if "msodbcsql" in Path(file).name and Path(file).suffix not in {".rll", ".txt"}]
    architectures: set[str] = next((names for names in _ARCHITECTURES if machine.lower() in names), set())
    folder = {"Darwin": "macos", "Windows": "windows"}.get(system, "linux")
    fitting = [file for file in libraries if folder in Path(file).parts and architectures & set(Path(file).parts)]
    if folder == "linux":
        if "suse" in distribution:
            family = "suse"
        elif any(word in distribution for word in ("rhel", "fedora", "centos")):
            family = "rhel"
        else:
            family = "alpine" if "alpine" in distribution else "debian_ubuntu"
        fitting = [file for file in fitting if family in Path(file).parts]
    return min(fitting, default=None)


def with_driver(url: URL, driver: Driver) -> URL:
    """`url` with the options for `driver`; by default the connection is encrypted and the certificate is checked."""
    if _has_own_driver(url):
        return url
    options = {key: value for key, value in url.query.items() if key.lower() != "driver"}
    if driver.is_freetds:
        asked = {key.lower(): str(value).lower() for key, value in options.items()}
        # FreeTDS doesn't have these keywords; it checks a certificate only against the `ca file` of freetds.conf.
        options = {key: value for key, value in options.items() if key.lower() not in _MICROSOFT_ONLY}
        options.setdefault("TDS_Version", "7.4")  # below 7.3 there is no DATETIME2, and times lose milliseconds
        options.setdefault("ClientCharset", "UTF-8")
        options.setdefault("Encryption", _FREETDS_ENCRYPTION.get(asked.get("encrypt", "yes"), "require"))
        if url.port:
            options.setdefault("port", str(url.port))
    elif "encrypt" not in {key.lower() for key in options}:
        options["Encrypt"] = "yes"
    options.setdefault("APP", APPLICATION)
    return url.set(query={"driver": driver.place, **options})


def load_pyodbc() -> Any:
    """The module pyodbc, with its connection pool switched off, because SQLAlchemy has its own pool.

    Raises:
        NoDriver: unixODBC isn't installed.
    """
    try:
        # Imported by name, because type checkers don't find the types of pyodbc.
        pyodbc: Any = import_module("pyodbc")
    except ImportError as error:
        raise NoDriver(_NO_MANAGER.format(error)) from error
    pyodbc.pooling = False
    return pyodbc


_MICROSOFT_ONLY = frozenset({"encrypt", "trustservercertificate", "multisubnetfailover", "hostnameincertificate"})


def _has_own_driver(url: URL) -> bool:
    return _option(url, "odbc_connect") is not None or _option(url, "dsn") is not None or not url.database


def _option(url: URL, name: str) -> str | None:
    return next((str(value) for key, value in url.query.items() if key.lower() == name), None)


def _distribution() -> str:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return ""
    return f"{release.get('ID', '')} {release.get('ID_LIKE', '')}"
