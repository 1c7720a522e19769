"""`/monitor`: processes to look at, and to mend, in a browser. Pages are HTML; what they load comes from here alone."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from flask import Blueprint, Flask, Response, redirect, render_template, request, send_from_directory, url_for
from werkzeug.wrappers import Response as BaseResponse

from app.monitor import actions, charts, detail, forgery, listing, login, session, starting
from app.monitor.show import FILTERS
from app.responses.errors import shape_below
from app.responses.problem import Problem
from app.security.auth import may
from settings import Settings

#: its own files alone; nothing inline, nothing framed
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
#: how long a browser keeps a file, in seconds, if its address is that of this very file
_FILE_AGE_S = 31_536_000

blueprint = Blueprint("monitor", __name__, url_prefix=session.PATH, template_folder="templates")
_STATIC = Path(__file__).resolve().parent / "static"
_OPEN = ("monitor.file", "monitor.login_page", "monitor.log_in")

#: forms that are shown at the address that they are sent to
_SAME_ADDRESS = ("monitor.start", "monitor.log_in")


def register(app: Flask, settings: Settings) -> None:
    """Serve the monitor, unless `MONITOR=off`."""
    if settings.monitor == "off":
        return
    session.install(app, settings)
    app.jinja_env.filters.update(FILTERS)
    app.register_blueprint(blueprint)
    shape_below(app, session.PATH, _refused)


login.add_to(blueprint)
listing.add_to(blueprint)
detail.add_to(blueprint)
actions.add_to(blueprint)
starting.add_to(blueprint)
charts.add_to(blueprint)


@blueprint.get("/static/<version>/<path:name>")
def file(version: str, name: str) -> Response:
    """A file of the pages, below a version that changes with it.

    While a release is rolled out, one web process may be asked for a file as another has it: that answer is not kept.
    """
    # Of those that are there alone: a name may be one that no file can have.
    is_this = name in _names() and version == _version(name)
    return send_from_directory(_STATIC, name, max_age=_FILE_AGE_S if is_this else 0)


@cache
def _names() -> frozenset[str]:
    return frozenset(path.relative_to(_STATIC).as_posix() for path in _STATIC.rglob("*") if path.is_file())


@cache
def _version(name: str) -> str:
    """Of a file of another project; our own have one together, since scripts name each other without it."""
    vendored = name.startswith("vendor/")
    paths = [_STATIC / name] if vendored else sorted(path for path in _STATIC.iterdir() if path.is_file())
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def _asset(name: str) -> str:
    return url_for("monitor.file", version=_version(name), name=name)


@blueprint.before_request
def _let_in() -> BaseResponse | None:
    if request.method == "POST":
        forgery.check_origin()
    if request.endpoint in _OPEN:
        return None
    if session.recognize():
        if request.method == "POST":
            forgery.check_token()
        return None
    if wants_fragment():
        return Response("log in first", status=401, mimetype="text/plain")
    back = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("monitor.login_page", next=back))


@blueprint.after_request
def _guarded(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    # Forms to itself say where they come from, and nobody else learns an id from an address.
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def _refused(problem: Problem) -> Response:
    """A page that says so; also where no view was found for the address."""
    if wants_fragment():
        return _guarded(problem.response())
    page = render_template("monitor/problem.html", problem=problem, **_for_every_page())
    return _guarded(Response(page, problem.kind.status, problem.headers))


@blueprint.context_processor
def _for_every_page() -> dict[str, object]:
    return {
        "asset": _asset,
        "csrf_token": forgery.csrf_token,
        "can": lambda scope: not session.is_read_only() and may(scope),
        "read_only": session.is_read_only(),
        "logs_in": session.asks_for_login(),
        "instead": _instead(),
    }


def _instead() -> str | None:
    """Where a reload of the answer to a form leads: it must not send the form again."""
    if request.method != "POST":
        return None
    given = request.view_args or {}
    if "correlation_id" in given:
        return url_for("monitor.process", **given)
    if request.endpoint in _SAME_ADDRESS:
        return request.path
    return url_for("monitor.processes")


def wants_fragment() -> bool:
    """True when a script of the page asks, which puts the answer into it."""
    return request.headers.get("X-Requested-With") == "monitor"
