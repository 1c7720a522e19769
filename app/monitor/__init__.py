"""`/monitor`: processes to look at, and to mend, in a browser. Pages are HTML; what they load comes from here alone."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from flask import Blueprint, Flask, Response, redirect, render_template, request, send_from_directory, url_for
from werkzeug.wrappers import Response as BaseResponse

from app.auth import may
from app.monitor import actions, charts, detail, listing, login, session, starting
from app.monitor.show import FILTERS
from app.problems import DATABASE_AWAY, Problem
from app.services import services
from settings import Settings
from store.database import DatabaseAway

#: its own files alone; nothing inline, nothing framed
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
#: how long a browser keeps a file, in seconds; its address changes with the file
_FILE_AGE_S = 31_536_000

blueprint = Blueprint("monitor", __name__, url_prefix=session.PATH, template_folder="templates")
_OPEN = ("monitor.file", "monitor.login_page", "monitor.log_in")


def register(app: Flask, settings: Settings) -> None:
    """Serve the monitor, unless `MONITOR=off`."""
    if settings.monitor == "off":
        return
    session.install(app, settings)
    app.jinja_env.filters.update(FILTERS)
    app.register_blueprint(blueprint)


login.add_to(blueprint)
listing.add_to(blueprint)
detail.add_to(blueprint)
actions.add_to(blueprint)
starting.add_to(blueprint)
charts.add_to(blueprint)


@blueprint.get("/static/<version>/<path:name>")
def file(version: str, name: str) -> Response:
    """A file of the pages, below a version that changes with it."""
    return send_from_directory(f"{blueprint.root_path}/static", name, max_age=_FILE_AGE_S)


@cache
def _version(name: str) -> str:
    content = (Path(blueprint.root_path) / "static" / name).read_bytes()
    return hashlib.sha256(content).hexdigest()[:12]


def _asset(name: str) -> str:
    return url_for("monitor.file", version=_version(name), name=name)


@blueprint.before_request
def _let_in() -> BaseResponse | None:
    if request.endpoint in _OPEN:
        return None
    if session.recognize():
        if request.method == "POST":
            session.check_csrf()
        return None
    if wants_fragment():
        return Response("log in first", status=401, mimetype="text/plain")
    back = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("monitor.login_page", next=back))


@blueprint.after_request
def _policy(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    return response


@blueprint.errorhandler(Problem)
def _refused(problem: Problem) -> Response:
    if wants_fragment():
        return problem.response()
    page = render_template("monitor/problem.html", problem=problem)
    return Response(page, problem.kind.status, problem.headers)


@blueprint.errorhandler(DatabaseAway)
def _database_away(_: DatabaseAway) -> Response:
    retry_after = str(services().settings.retry_after_s)
    return _refused(Problem(DATABASE_AWAY, "try again in a moment", headers={"Retry-After": retry_after}))


@blueprint.context_processor
def _for_every_page() -> dict[str, object]:
    return {
        "asset": _asset,
        "csrf_token": session.csrf_token,
        "can": lambda scope: not session.is_read_only() and may(scope),
        "read_only": session.is_read_only(),
        "logs_in": services().settings.auth == "on",
    }


def wants_fragment() -> bool:
    """True when a script of the page asks, which puts the answer into it."""
    return request.headers.get("X-Requested-With") == "monitor"
