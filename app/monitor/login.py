"""`/monitor/session/login`: log in to the monitor with an API key."""

from __future__ import annotations

import logging
from urllib.parse import unquote, urlsplit

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from app.monitor import session

log = logging.getLogger(__name__)


def add_to(blueprint: Blueprint) -> None:
    """Add the pages."""
    blueprint.add_url_rule("/session/login", "login_page", page)
    blueprint.add_url_rule("/session/login", "log_in", log_in, methods=["POST"])
    blueprint.add_url_rule("/session/logout", "log_out", log_out, methods=["POST"])


def page() -> BaseResponse | str:
    """The login page; redirects a user who is logged in already."""
    if session.recognize():
        return redirect(_back(request.args.get("next")))
    return render_template("monitor/login.html", back=_back(request.args.get("next")), refused=False)


def log_in() -> BaseResponse:
    """Begin a session."""
    back = _back(request.form.get("next"))
    if session.log_in(request.form.get("key", "").strip()):
        return redirect(back, 303)
    log.info("login to the monitor refused: unknown API key")
    return Response(render_template("monitor/login.html", back=back, refused=True), 401)


def log_out() -> BaseResponse:
    """End the session."""
    session.log_out()
    return redirect(url_for("monitor.login_page"), 303)


def _back(address: str | None) -> str:
    """The page to open after the login. Only pages of the monitor are allowed; others would be an open redirect."""
    return address if address and _is_inside(address) else url_for("monitor.processes")


def _is_inside(address: str) -> bool:
    if not address.isprintable() or "\\" in address:
        return False
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    is_here = parts.path == session.PATH or parts.path.startswith(f"{session.PATH}/")
    # A browser treats `%2e%2e` like `..`, so check the decoded path.
    return not parts.scheme and not parts.netloc and is_here and ".." not in unquote(parts.path)
