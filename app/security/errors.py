"""What the facade raises below its views."""

from __future__ import annotations

from errors import CeleryCamundaError


class TokenRefused(CeleryCamundaError):
    """The token is not one that this service accepts. The message never holds the token.

    :class:`app.security.tokens.TokenChecker` raises it; the API answers 401.
    """


class KeysUnavailable(CeleryCamundaError):
    """No key of the issuer is known, since its server has not answered yet.

    :class:`app.security.tokens.TokenChecker` raises it; the API answers 503.
    """
