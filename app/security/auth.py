"""Who calls, and may they: API keys and bearer tokens, one scope a view.

    class Status(MethodView):
        @requires("process:read")
        def get(self): ...

`requires` stands above the other decorators: nothing of a stranger's request is parsed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

from apispec import APISpec, BasePlugin
from flask import Flask, current_app, g, request
from flask_smorest import Blueprint

from app.responses.problem import Problem
from app.responses.problem_types import FORBIDDEN, TOKEN_KEYS_AWAY, UNAUTHORIZED
from app.schemas.problems import ProblemAnswer
from app.security import api_keys
from app.security.errors import KeysUnavailable, TokenRefused
from settings import Settings

if TYPE_CHECKING:
    from app.security.tokens import TokenChecker

log = logging.getLogger(__name__)

#: what each scope lets a caller do
SCOPES = {
    "process:start": "Start processes.",
    "process:read": "Read processes and their events.",
    "process:complete": "End a process from outside.",
    "process:admin": "Operate processes: retry, cancel, message.",
}
#: columns that keep an actor hold so many characters
_MOST_OF_NAME = 200
_REALM = 'realm="celery-camunda"'
#: only documents: its decorators are asked what they would write into the OpenAPI document
_documenter = Blueprint("auth", __name__)


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller that is known: an API key's name or a token's subject."""

    name: str
    scopes: frozenset[str]


class Authenticator:
    """Tells who calls, from the headers of a request."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys = [api_keys.parse(entry) for entry in settings.api_keys]
        self._tokens = _token_checker(settings) if settings.jwt_jwks_url else None

    def key_named(self, name: str) -> api_keys.ApiKey | None:
        """The API key of this name, as the settings have it now."""
        return next((key for key in self._keys if key.name == name), None)

    def key(self, secret: str) -> api_keys.ApiKey | None:
        """What `API_KEYS` says of this key; None for one that it does not list."""
        return api_keys.find(self._keys, secret)

    def identify(self, authorization: str | None, api_key: str | None) -> Principal:
        """The caller.

        Raises:
            Problem: 401 when nothing valid was sent, 503 when a token cannot be checked now.
        """
        scheme, _, bearer = (authorization or "").partition(" ")
        credential = bearer.strip() if scheme.lower() == "bearer" else api_key
        if not credential:
            raise _unauthorized("send an API key or a bearer token", f"Bearer {_REALM}")
        if credential.startswith(api_keys.PREFIX) or credential is api_key or self._tokens is None:
            found = api_keys.find(self._keys, credential)
            if found is None:
                raise _refused("the API key is not known")
            return Principal(found.name, found.scopes)
        try:
            token = self._tokens.check(credential)
        except TokenRefused as error:
            raise _refused(f"the token is not taken: {error}") from None
        except KeysUnavailable:
            headers = {"Retry-After": str(self._settings.retry_after_s)}
            raise Problem(TOKEN_KEYS_AWAY, "the issuer's keys are not known yet", headers=headers) from None
        return Principal(token.subject[:_MOST_OF_NAME], token.scopes)


def install(app: Flask, settings: Settings) -> None:
    """Make the app ask who calls, unless `AUTH=off`."""
    app.extensions["authenticator"] = None if settings.auth == "off" else Authenticator(settings)


def requires(scope: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let only callers with this scope into the view, and say so in the OpenAPI document."""
    if scope not in SCOPES:
        raise ValueError(f"{scope!r} is no scope")

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(_documented(view, scope))
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if current_app.extensions["authenticator"] is not None:
                _demand(scope)
            return view(*args, **kwargs)

        return guarded

    return decorate


def current_principal() -> Principal | None:
    """The caller of this request; None with `AUTH=off`.

    Raises:
        Problem: it is not known.
    """
    authenticator: Authenticator | None = current_app.extensions["authenticator"]
    if authenticator is None:
        return None
    known: Principal | Problem | None = g.get("principal")
    if known is None:
        try:
            known = authenticator.identify(request.headers.get("Authorization"), request.headers.get("X-API-Key"))
        except Problem as problem:
            known = problem
        g.principal = known
    if isinstance(known, Problem):
        raise known
    return known


def let_in(principal: Principal) -> None:
    """Make `principal` the caller of this request: it was known by other means than the request's headers."""
    g.principal = principal


def may(scope: str) -> bool:
    """True when the caller of this request has the scope."""
    principal = current_principal()
    return principal is None or scope in principal.scopes


def current_actor() -> str:
    """Who does it, for the event log: the key's name or the token's subject; `api` with `AUTH=off`."""
    principal = current_principal()
    return "api" if principal is None else principal.name


class NoSecurity(BasePlugin):
    """Takes out of the OpenAPI document what `requires` says: with `AUTH=off` no call asks for credentials."""

    def operation_helper(
        self, path: str | None = None, operations: dict[Any, Any] | None = None, **kwargs: Any
    ) -> None:
        """Called by apispec for each path."""
        for operation in (operations or {}).values():
            operation.pop("security", None)


def spec_plugins(settings: Settings) -> list[BasePlugin]:
    """What the OpenAPI document needs for these settings."""
    return [NoSecurity()] if settings.auth == "off" else []


def document(spec: APISpec) -> None:
    """Describe how to authenticate."""
    spec.components.security_scheme(
        "apiKey", {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "`flask auth new-key`"}
    )
    spec.components.security_scheme(
        "bearer", {"type": "http", "scheme": "bearer", "description": "An API key, or a JWT of the configured issuer."}
    )


def _demand(scope: str) -> None:
    principal = current_principal()
    if principal is None or scope in principal.scopes:
        return
    log.info("refused %s: lacks %s", principal.name, scope)
    raise Problem(
        FORBIDDEN,
        f"this call needs the scope {scope}",
        headers={"WWW-Authenticate": f'Bearer {_REALM}, error="insufficient_scope", scope="{scope}"'},
        requiredScope=scope,
    )


def _documented(view: Callable[..., Any], scope: str) -> Callable[..., Any]:
    """The view with the answers and the security of its scope in its documentation, which `wraps` carries on."""
    for status, text in ((401, "The caller is not known"), (403, f"The caller lacks the scope `{scope}`")):
        view = _documenter.alt_response(status, schema=ProblemAnswer, description=text)(view)
    documented: Callable[..., Any] = _documenter.doc(security=[{"apiKey": [scope]}, {"bearer": [scope]}])(view)
    return documented


def _token_checker(settings: Settings) -> TokenChecker:
    # With its cryptography it takes 9 MiB: only a service that accepts tokens imports it.
    from app.security.tokens import TokenChecker  # noqa: PLC0415

    return TokenChecker(settings)


def _refused(detail: str) -> Problem:
    return _unauthorized(detail, f'Bearer {_REALM}, error="invalid_token"')


def _unauthorized(detail: str, challenge: str) -> Problem:
    return Problem(UNAUTHORIZED, detail, headers={"WWW-Authenticate": challenge})
