"""The exceptions of token checks."""

from __future__ import annotations

from errors import CeleryCamundaError


class TokenRefused(CeleryCamundaError):
    """This service does not accept the token. The message never contains the token.

    :class:`app.security.tokens.TokenChecker` raises it; the API answers 401.
    """


class KeysUnavailable(CeleryCamundaError):
    """The issuer's keys are unknown, because its server has not answered yet.

    :class:`app.security.tokens.TokenChecker` raises it; the API answers 503.
    """
