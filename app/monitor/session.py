"""Sessions of the monitor: a user logs in with an API key and gets a signed cookie, valid for `MONITOR_SESSION_S`.

Browsers send the cookie to `/monitor` only, so it authenticates no other call. It has the name of the key, not the key.
Browsers send it when a link from another site leads here, but not with a form of another site (SameSite=Lax).
"""

from __future__ import annotations

import hmac
import secrets
from datetime import timedelta

from flask import Flask, current_app, request, session
from flask.sessions import NullSession, SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer

from app.security.api_keys import ApiKey
from app.security.auth import Authenticator, Principal, set_principal
from app.services import services
from settings import Settings
from store.errors import DatabaseUnavailable
from tasks.runtime import runtime

#: the path to which browsers send the cookie
PATH = "/monitor"
#: the name under which the database has the key that signs cookies; the first web process makes it, all use it
_KEY_NAME = "monitor-key"
#: characters of an API key's digest in a cookie; enough to detect that the entry in `API_KEYS` has another key now
_DIGEST_CHARACTERS = 16


class StoredKeySessions(SecureCookieSessionInterface):
    """Flask's sessions, signed with a key in the database that all web processes share."""

    salt = "celery-camunda-monitor"

    def __init__(self) -> None:
        self._key = ""

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """The serializer of the cookie; None without a session.

        Flask calls this at the beginning of a request, before its error handlers work. So this raises no error.
        """
        # Only requests for the monitor have a session.
        if not request.path.startswith(PATH):
            return None
        try:
            self._key = self._key or runtime().bookmarks.get_or_put(_KEY_NAME, secrets.token_urlsafe(48))
        except DatabaseUnavailable:
            # `recognize` raises the error later, within the error handlers.
            return None
        return URLSafeTimedSerializer(
            self._key,
            salt=self.salt,
            serializer=self.serializer,
            signer_kwargs={"key_derivation": self.key_derivation, "digest_method": self.digest_method},
        )

    def digest_of(self, purpose: str) -> str:
        """A digest of `purpose` that nobody can compute without the key."""
        return hmac.digest(self._key.encode(), purpose.encode(), "sha256").hex()


def install(app: Flask, settings: Settings) -> None:
    """Configure the sessions of the app."""
    app.session_interface = StoredKeySessions()
    app.config.update(
        SESSION_COOKIE_NAME="monitor",
        SESSION_COOKIE_PATH=PATH,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.is_production,
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=timedelta(seconds=settings.monitor_session_s),
    )


def log_in(secret: str) -> bool:
    """Begin a session for the owner of this API key; False if `API_KEYS` does not have the key."""
    authenticator = _authenticator()
    key = authenticator.key(secret) if authenticator is not None else None
    if key is None:
        return False
    # Keep nothing of an earlier session (OWASP, Session Fixation).
    session.clear()
    session.permanent = True
    session.update(name=key.name, digest=key.digest[:_DIGEST_CHARACTERS], csrf=secrets.token_urlsafe(24))
    return True


def log_out() -> None:
    """End the session."""
    session.clear()


def recognize() -> bool:
    """Set the owner of the session's API key as the caller of this request; False if the user has to log in first.

    Raises:
        DatabaseUnavailable: the key that signs cookies could not be read.
    """
    if isinstance(session._get_current_object(), NullSession):  # type: ignore[attr-defined]
        raise DatabaseUnavailable("the key of session cookies could not be read")
    authenticator = _authenticator()
    if authenticator is None:
        return True
    key: ApiKey | None = authenticator.key_named(str(session.get("name", "")))
    # A key that was removed from the settings, or replaced under its name, ends its sessions.
    if key is None or not hmac.compare_digest(str(session.get("digest", "")), key.digest[:_DIGEST_CHARACTERS]):
        return False
    set_principal(Principal(key.name, key.scopes))
    return True


def asks_for_login() -> bool:
    """True unless `AUTH=off`."""
    return _authenticator() is not None


def is_read_only() -> bool:
    """True with `MONITOR=read-only`: the monitor changes nothing, whatever scopes the caller has."""
    return services().settings.monitor == "read-only"


def _authenticator() -> Authenticator | None:
    found: Authenticator | None = current_app.extensions["authenticator"]
    return found
