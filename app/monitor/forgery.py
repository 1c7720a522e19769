"""Forms are taken from the monitor's own pages alone (OWASP, Cross-Site Request Forgery Prevention).

A browser says where a form comes from, and each form that changes something carries a token that only they can read.
"""

from __future__ import annotations

import hmac

from flask import current_app, request, session

from app.monitor.session import StoredKeySessions, asks_for_login
from app.responses.problem import Problem
from app.responses.problem_types import FORBIDDEN


def check_origin() -> None:
    """Refuse a form that a page of another site sends; what says nothing of where it comes from is no browser.

    Raises:
        Problem: 403.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        is_own = site in ("same-origin", "none")
    else:
        # Browsers say the above over HTTPS and of this machine only; this one a page cannot write either.
        origin = request.headers.get("Origin")
        hosts = (request.host, request.headers.get("X-Forwarded-Host"))
        is_own = origin is None or origin.partition("://")[2] in hosts
    if not is_own:
        raise Problem(FORBIDDEN, "forms are taken from the monitor's own pages alone")


def csrf_token() -> str:
    """The token that this session's forms carry.

    With `AUTH=off` nobody logs in: there is one for all, which no second tab makes out of date.
    """
    if asks_for_login():
        return str(session.get("csrf", ""))
    sessions = current_app.session_interface
    return sessions.digest_of("csrf") if isinstance(sessions, StoredKeySessions) else ""


def check_token() -> None:
    """Refuse a form that does not come from a page of this session.

    Raises:
        Problem: 403.
    """
    given = request.form.get("csrf", "") or request.headers.get("X-CSRF-Token", "")
    if not given or not hmac.compare_digest(given.encode(), csrf_token().encode()):
        raise Problem(FORBIDDEN, "the form is out of date: load the page again")
