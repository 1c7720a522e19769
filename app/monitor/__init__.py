"""`/monitor`: pages to inspect, start, retry and cancel processes. They load files from this server only."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from flask import Blueprint, Flask, Response, redirect, render_template, request, send_from_directory, url_for
from werkzeug.wrappers import Response as BaseResponse

from app.monitor import actions, charts, detail, forgery, incidents, listing, login, repairs, session, starting
from app.monitor.show import FILTERS
from app.responses.errors import shape_below
from app.responses.problem import Problem
from app.security.auth import may
from app.services import services
from settings import Settings

#: content security policy: only files of this server, nothing inline, no frames
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
#: seconds for which a browser caches a file whose version is in the URL: one year
_FILE_AGE_S = 31_536_000

blueprint = Blueprint("monitor", __name__, url_prefix=session.PATH, template_folder="templates")
_STATIC = Path(__file__).resolve().parent / "static"
_OPEN = ("monitor.file", "monitor.login_page", "monitor.log_in")

#: endpoints whose form is shown at the URL that it is sent to
_SAME_ADDRESS = ("monitor.start", "monitor.log_in")
#: endpoints whose answer is the page of incidents
_OF_INCIDENTS = ("monitor.retry_group", "monitor.cancel_group")


def register(app: Flask, settings: Settings) -> None:
    """Serve the monitor, unless `MONITOR=off`."""
    if settings.monitor == "off":
        return
    session.install(app, settings)
    app.jinja_env.filters.update(FILTERS)
    app.register_blueprint(blueprint)
    shape_below(app, session.PATH, _problem_page)


login.add_to(blueprint)
listing.add_to(blueprint)
incidents.add_to(blueprint)
detail.add_to(blueprint)
actions.add_to(blueprint)
repairs.add_to(blueprint)
starting.add_to(blueprint)
charts.add_to(blueprint)


@blueprint.get("/static/<version>/<path:name>")
def file(version: str, name: str) -> Response:
    """A static file. The version in its URL changes with the content.

    During a rolling release a web process may get a request for the version of another release. Browsers do not cache
    that answer.
    """
    # Compute the version only of files that exist: the name in a request can be any text.
    is_this = name in _names() and version == _version(name)
    return send_from_directory(_STATIC, name, max_age=_FILE_AGE_S if is_this else 0)


@cache
def _names() -> frozenset[str]:
    return frozenset(path.relative_to(_STATIC).as_posix() for path in _STATIC.rglob("*") if path.is_file())


@cache
def _version(name: str) -> str:
    """The version of a file: its own for a vendored file, a common one for ours, because scripts import each other."""
    vendored = name.startswith("vendor/")
    paths = [_STATIC / name] if vendored else sorted(path for path in _STATIC.iterdir() if path.is_file())
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def _asset(name: str) -> str:
    return url_for("monitor.file", version=_version(name), name=name)


@blueprint.before_request
def _authenticate() -> BaseResponse | None:
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
def _add_headers(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    # Browsers send the origin of our forms to us, but no other site gets a URL with an id.
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def _problem_page(problem: Problem) -> Response:
    """The page of a problem, also for a path without a view."""
    if wants_fragment():
        return _add_headers(problem.response())
    page = render_template("monitor/problem.html", problem=problem, **_for_every_page())
    return _add_headers(Response(page, problem.kind.status, problem.headers))


@blueprint.context_processor
def _for_every_page() -> dict[str, object]:
    return {
        "asset": _asset,
        "csrf_token": forgery.csrf_token,
        "can": lambda scope: not session.is_read_only() and may(scope),
        "read_only": session.is_read_only(),
        "logs_in": session.asks_for_login(),
        "reload_url": _reload_url(),
        "maintenance": services().maintenance.shown,
    }


def _reload_url() -> str | None:
    """The URL that a reload of the answer to a form opens, so that the browser does not send the form again."""
    if request.method != "POST":
        return None
    given = request.view_args or {}
    if "correlation_id" in given:
        return url_for("monitor.process", **given)
    if request.endpoint in _SAME_ADDRESS:
        return request.path
    return url_for("monitor.incidents" if request.endpoint in _OF_INCIDENTS else "monitor.processes")


def wants_fragment() -> bool:
    """True for a request of a page's script, which inserts the answer into the page."""
    return request.headers.get("X-Requested-With") == "monitor"
