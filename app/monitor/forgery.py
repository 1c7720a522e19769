"""Accepts forms only from the monitor's own pages (OWASP, Cross-Site Request Forgery Prevention).

The browser sends the origin of a form. Each form that changes something also has a token, which pages of other sites
cannot read.
"""

from __future__ import annotations

import hmac

from flask import current_app, request, session

from app.monitor.session import StoredKeySessions, asks_for_login
from app.responses.problem import Problem
from app.responses.problem_types import FORBIDDEN


def check_origin() -> None:
    """Refuse a form from a page of another site. A request without an origin is accepted: no browser sends one.

    Raises:
        Problem: 403.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        is_own = site in ("same-origin", "none")
    else:
        # Browsers send Sec-Fetch-Site only over HTTPS and to localhost. A page cannot forge Origin either.
        origin = request.headers.get("Origin")
        hosts = (request.host, request.headers.get("X-Forwarded-Host"))
        is_own = origin is None or origin.partition("://")[2] in hosts
    if not is_own:
        raise Problem(FORBIDDEN, "the form must be sent from a page of this monitor")


def csrf_token() -> str:
    """The token for the forms of this session.

    With `AUTH=off` nobody logs in, so there is one token for all. It stays valid when a second tab is opened.
    """
    if asks_for_login():
        return str(session.get("csrf", ""))
    sessions = current_app.session_interface
    return sessions.digest_of("csrf") if isinstance(sessions, StoredKeySessions) else ""


def check_token() -> None:
    """Refuse a form without the token of this session.

    Raises:
        Problem: 403.
    """
    given = request.form.get("csrf", "") or request.headers.get("X-CSRF-Token", "")
    if not given or not hmac.compare_digest(given.encode(), csrf_token().encode()):
        raise Problem(FORBIDDEN, "the form belongs to an earlier session: load the page again and repeat the action")
