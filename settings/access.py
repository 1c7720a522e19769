"""Settings for authentication, rate limit and CORS."""

from __future__ import annotations

import re
from dataclasses import dataclass

from settings.reading import RATE, is_origin, is_url, setting

#: one entry of API_KEYS: name of the key, SHA-256 of the key in hexadecimal, scopes
API_KEY_ENTRY = re.compile(
    r"(?P<name>[A-Za-z0-9._-]{1,100}):(?P<digest>[0-9a-f]{64}):"
    r"(?P<scopes>process:(?:start|read|admin|complete|repair)(?:\+process:(?:start|read|admin|complete|repair))*)\Z"
)


@dataclass(frozen=True)
class Access:
    """Authentication, rate limit and CORS."""

    auth: str = setting(
        "str",
        "off",
        "`on`: clients need an API key or a token, according to the following settings. `off`: no authentication; not "
        "allowed in production.",
        one_of=("off", "on"),
    )
    api_keys: list[str] = setting(
        "list",
        (),
        "API keys, comma separated: `name:sha256-of-the-key:scope+scope`. `flask auth new-key` creates one.",
        secret=True,
    )
    jwt_jwks_url: str = setting("str", "", "URL of the public keys of the token issuer (JWKS). Empty: no tokens.")
    jwt_issuer: str = setting("str", "", "Required issuer of tokens (claim `iss`).")
    jwt_audience: str = setting("str", "", "Required audience of tokens (claim `aud`): the name of this service.")
    jwt_leeway_s: int = setting(
        "int",
        30,
        "Largest difference between the clocks of token issuer and service, in seconds.",
        least=0,
        most=300,
    )
    jwt_scope_claim: str = setting(
        "str", "scope", "Claim with the scopes of a token: a text of words separated by spaces, or a list."
    )
    rate_limit: str = setting(
        "str",
        "",
        "Most requests of one caller in a time: `600/minute`. With `AUTH=off` an address is a caller. Empty: no limit.",
    )
    cors_origins: list[str] = setting(
        "list", (), "Origins whose pages may call the API, comma separated; `*` for all. Empty: none."
    )


def faults(settings: Access, *, is_production: bool) -> list[str]:
    """The contradictions among these settings, each as a sentence that names them."""
    found = []
    for place, entry in enumerate(settings.api_keys, 1):
        # Without the entry itself, because it may be a key that somebody pasted by mistake.
        if not API_KEY_ENTRY.match(entry):
            found.append(f"API_KEYS: entry {place} must be name:sha256-hex:scope+scope")
    names = [entry.partition(":")[0] for entry in settings.api_keys]
    if len(set(names)) < len(names):
        found.append("API_KEYS: two entries have the same name; each name must be unique")
    if settings.auth == "on" and not (settings.api_keys or settings.jwt_jwks_url):
        found.append("AUTH=on needs API_KEYS or JWT_JWKS_URL")
    if settings.jwt_jwks_url:
        schemes = ("https",) if is_production else ("http", "https")
        if not is_url(settings.jwt_jwks_url, schemes):
            found.append("JWT_JWKS_URL: must be a URL that begins with " + " or ".join(f"{it}://" for it in schemes))
        if not (settings.jwt_issuer and settings.jwt_audience):
            found.append("JWT_JWKS_URL needs JWT_ISSUER and JWT_AUDIENCE")
    if settings.rate_limit and not RATE.match(settings.rate_limit):
        found.append("RATE_LIMIT: must be like 600/minute (second, minute, hour or day)")
    if any(origin != "*" and not is_origin(origin) for origin in settings.cors_origins):
        found.append("CORS_ORIGINS: must be * or origins such as https://portal.example.org, without a path")
    return found
