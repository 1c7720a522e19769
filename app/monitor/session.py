"""Who looks at the monitor: an API key, exchanged for a signed cookie that holds for a while.

The cookie goes to `/monitor` alone, so that no other call can be made with it, and names the key without holding it. It
comes along when a link from elsewhere leads here, and with no form of another site.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import timedelta

from flask import Flask, current_app, request, session
from flask.sessions import NullSession, SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer

from app.security.api_keys import ApiKey
from app.security.auth import Authenticator, Principal, let_in
from app.services import services
from settings import Settings
from store.errors import DatabaseUnavailable
from tasks.runtime import runtime

#: where the cookie goes
PATH = "/monitor"
#: under which name the store keeps the key that signs cookies: the same for every web process, made by the first
_KEY_NAME = "monitor-key"
#: characters of a key's digest in a cookie: enough to see that an entry of `API_KEYS` is another key by now
_DIGEST_CHARACTERS = 16


class StoredKeySessions(SecureCookieSessionInterface):
    """Flask's sessions, signed with a key that all web processes find in the store."""

    salt = "celery-camunda-monitor"

    def __init__(self) -> None:
        self._key = ""

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """Called by Flask at the beginning of a request, where nothing catches errors yet."""
        # A request that is not for the monitor has no session.
        if not request.path.startswith(PATH):
            return None
        try:
            self._key = self._key or runtime().bookmarks.get_or_put(_KEY_NAME, secrets.token_urlsafe(48))
        except DatabaseUnavailable:
            # `recognize` says so.
            return None
        return URLSafeTimedSerializer(
            self._key,
            salt=self.salt,
            serializer=self.serializer,
            signer_kwargs={"key_derivation": self.key_derivation, "digest_method": self.digest_method},
        )

    def digest_of(self, purpose: str) -> str:
        """A text that whoever does not know the key cannot make."""
        return hmac.digest(self._key.encode(), purpose.encode(), "sha256").hex()


def install(app: Flask, settings: Settings) -> None:
    """Give the app sessions."""
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
    """Begin a session for whoever has this API key; False when there is no such key."""
    authenticator = _authenticator()
    key = authenticator.key(secret) if authenticator is not None else None
    if key is None:
        return False
    # Nothing of an earlier session goes on (OWASP, Session Fixation).
    session.clear()
    session.permanent = True
    session.update(name=key.name, digest=key.digest[:_DIGEST_CHARACTERS], csrf=secrets.token_urlsafe(24))
    return True


def log_out() -> None:
    """End the session."""
    session.clear()


def recognize() -> bool:
    """Make the session's key the caller of this request; False when somebody has to log in first.

    Raises:
        DatabaseUnavailable: the key that signs cookies is not known yet.
    """
    if isinstance(session._get_current_object(), NullSession):  # type: ignore[attr-defined]
        raise DatabaseUnavailable("sessions cannot be read")
    authenticator = _authenticator()
    if authenticator is None:
        return True
    key: ApiKey | None = authenticator.key_named(str(session.get("name", "")))
    # A key that was taken out of the settings, or replaced under its name, opens nothing any more.
    if key is None or not hmac.compare_digest(str(session.get("digest", "")), key.digest[:_DIGEST_CHARACTERS]):
        return False
    let_in(Principal(key.name, key.scopes))
    return True


def asks_for_login() -> bool:
    """True unless `AUTH=off`."""
    return _authenticator() is not None


def is_read_only() -> bool:
    """True when nothing is changed from here, whoever asks."""
    return services().settings.monitor == "read-only"


def _authenticator() -> Authenticator | None:
    found: Authenticator | None = current_app.extensions["authenticator"]
    return found
