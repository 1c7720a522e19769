"""Authenticates callers by API keys and bearer tokens, and authorizes them: each view requires one scope.

    class Status(MethodView):
        @requires("process:read")
        def get(self): ...

`requires` comes above the other decorators, so that the request of an unknown caller is not parsed.
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

#: what each scope allows
SCOPES = {
    "process:start": "Start processes.",
    "process:read": "Read processes and their events.",
    "process:complete": "End a process with a result or an error.",
    "process:admin": "Operate processes: retry, cancel, message.",
    "process:repair": "Repair processes: run an ended one again.",
}
#: characters of an actor's name, at most; the columns for actors have this length
_MOST_OF_NAME = 200
_REALM = 'realm="celery-camunda"'
#: serves no view; its decorators make the entries for the OpenAPI document
_documenter = Blueprint("auth", __name__)


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller: the name of an API key, or the subject of a token."""

    name: str
    scopes: frozenset[str]


class Authenticator:
    """Identifies the caller from the headers of a request."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys = [api_keys.parse(entry) for entry in settings.api_keys]
        self._tokens = _token_checker(settings) if settings.jwt_jwks_url else None

    def key_named(self, name: str) -> api_keys.ApiKey | None:
        """The API key with this name in the settings; None if there is none."""
        return next((key for key in self._keys if key.name == name), None)

    def key(self, secret: str) -> api_keys.ApiKey | None:
        """The entry of this key in `API_KEYS`; None if there is none."""
        return api_keys.find(self._keys, secret)

    def identify(self, authorization: str | None, api_key: str | None) -> Principal:
        """Identify the caller.

        Args:
            authorization: the header `Authorization`.
            api_key: the header `X-API-Key`.

        Raises:
            Problem: 401 without a valid key or token, 503 when a token cannot be checked now.
        """
        scheme, _, bearer = (authorization or "").partition(" ")
        credential = bearer.strip() if scheme.lower() == "bearer" else api_key
        if not credential:
            raise _unauthorized(
                "the request has no API key and no token; send Authorization: Bearer ..., or X-API-Key",
                f"Bearer {_REALM}",
            )
        if credential.startswith(api_keys.PREFIX) or credential is api_key or self._tokens is None:
            found = api_keys.find(self._keys, credential)
            if found is None:
                raise _refused("the API key is unknown")
            return Principal(found.name, found.scopes)
        try:
            token = self._tokens.check(credential)
        except TokenRefused as error:
            raise _refused(f"the token is not accepted: {error}") from None
        except KeysUnavailable:
            headers = {"Retry-After": str(self._settings.retry_after_s)}
            detail = "the server has not received the public keys of the token's issuer yet"
            raise Problem(TOKEN_KEYS_AWAY, detail, headers=headers) from None
        return Principal(token.subject[:_MOST_OF_NAME], token.scopes)


def install(app: Flask, settings: Settings) -> None:
    """Let the app authenticate callers, unless `AUTH=off`."""
    app.extensions["authenticator"] = None if settings.auth == "off" else Authenticator(settings)


def requires(scope: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a view: only callers with this scope may call it. The OpenAPI document lists the scope.

    Raises:
        ValueError: the scope is not in :data:`SCOPES`.
    """
    if scope not in SCOPES:
        raise ValueError(f"{scope!r} is not a scope")

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
        Problem: the caller is not authenticated.
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


def set_principal(principal: Principal) -> None:
    """Set the caller of this request, for a caller that is authenticated by other means than headers (a session)."""
    g.principal = principal


def may(scope: str) -> bool:
    """True when the caller of this request has the scope."""
    principal = current_principal()
    return principal is None or scope in principal.scopes


def current_actor() -> str:
    """The name of the caller, for the event log: of the key or the token's subject; `api` with `AUTH=off`."""
    principal = current_principal()
    return "api" if principal is None else principal.name


class NoSecurity(BasePlugin):
    """Removes the security requirements of `requires` from the OpenAPI document, for `AUTH=off`."""

    def operation_helper(
        self, path: str | None = None, operations: dict[Any, Any] | None = None, **kwargs: Any
    ) -> None:
        """Called by apispec for each path."""
        for operation in (operations or {}).values():
            operation.pop("security", None)


def spec_plugins(settings: Settings) -> list[BasePlugin]:
    """The apispec plugins that these settings need."""
    return [NoSecurity()] if settings.auth == "off" else []


def document(spec: APISpec) -> None:
    """Add the ways to authenticate to the OpenAPI document."""
    spec.components.security_scheme(
        "apiKey", {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key."}
    )
    spec.components.security_scheme(
        "bearer", {"type": "http", "scheme": "bearer", "description": "An API key, or a JWT of the configured issuer."}
    )


def _demand(scope: str) -> None:
    principal = current_principal()
    if principal is None or scope in principal.scopes:
        return
    log.info("request of %s refused with 403: scope %s is missing", principal.name, scope)
    raise Problem(
        FORBIDDEN,
        f"this call needs the scope {scope}",
        headers={"WWW-Authenticate": f'Bearer {_REALM}, error="insufficient_scope", scope="{scope}"'},
        requiredScope=scope,
    )


def _documented(view: Callable[..., Any], scope: str) -> Callable[..., Any]:
    """The view, with the answers and the security of its scope in its documentation, which `wraps` copies."""
    texts = {401: "The API key or token is missing or invalid", 403: f"The caller lacks the scope `{scope}`"}
    for status, text in texts.items():
        view = _documenter.alt_response(status, schema=ProblemAnswer, description=text)(view)
    documented: Callable[..., Any] = _documenter.doc(security=[{"apiKey": [scope]}, {"bearer": [scope]}])(view)
    return documented


def _token_checker(settings: Settings) -> TokenChecker:
    # The module needs 9 MiB of memory for its cryptography, so only a service that accepts tokens imports it.
    from app.security.tokens import TokenChecker  # noqa: PLC0415

    return TokenChecker(settings)


def _refused(detail: str) -> Problem:
    return _unauthorized(detail, f'Bearer {_REALM}, error="invalid_token"')


def _unauthorized(detail: str, challenge: str) -> Problem:
    return Problem(UNAUTHORIZED, detail, headers={"WWW-Authenticate": challenge})
