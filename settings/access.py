"""Who may call."""

from __future__ import annotations

import re
from dataclasses import dataclass

from settings.reading import RATE, is_origin, is_url, setting

#: one entry of API_KEYS: the key's name, the SHA-256 of the key in hexadecimal, its scopes
API_KEY_ENTRY = re.compile(
    r"(?P<name>[A-Za-z0-9._-]{1,100}):(?P<digest>[0-9a-f]{64}):"
    r"(?P<scopes>process:(?:start|read|admin|complete)(?:\+process:(?:start|read|admin|complete))*)\Z"
)


@dataclass(frozen=True)
class Access:
    """Who may call."""

    auth: str = setting(
        "str",
        "off",
        "`on`: callers need an API key or a token, whichever is set up below. `off` lets everybody in; refused in "
        "production.",
        one_of=("off", "on"),
    )
    api_keys: list[str] = setting(
        "list",
        (),
        "API keys, comma separated: `name:sha256-of-the-key:scope+scope`. `flask auth new-key` makes one.",
        secret=True,
    )
    jwt_jwks_url: str = setting("str", "", "Where the public keys of token issuers are (JWKS); empty for no tokens.")
    jwt_issuer: str = setting("str", "", "Issuer that a token must name (`iss`).")
    jwt_audience: str = setting("str", "", "Audience that a token must name (`aud`): this service.")
    jwt_leeway_s: int = setting(
        "int", 30, "How far the clocks of issuer and service may differ, in seconds.", least=0, most=300
    )
    jwt_scope_claim: str = setting("str", "scope", "Claim that lists a token's scopes: words in a text, or a list.")
    rate_limit: str = setting(
        "str", "", "Requests that one key, or one address with `AUTH=off`, may make: `600/minute`. Empty for no limit."
    )
    cors_origins: list[str] = setting(
        "list", (), "Origins whose pages may call this API, comma separated; `*` for all. Empty: none."
    )


def faults(settings: Access, *, is_production: bool) -> list[str]:
    """The contradictions among these settings, each as a sentence that names them."""
    found = []
    for place, entry in enumerate(settings.api_keys, 1):
        # The entry itself may be a key that was pasted here by mistake: it is not shown.
        if not API_KEY_ENTRY.match(entry):
            found.append(f"API_KEYS: entry {place} is not name:sha256-hex:scope+scope")
    names = [entry.partition(":")[0] for entry in settings.api_keys]
    if len(set(names)) < len(names):
        found.append("API_KEYS: two entries have the same name")
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
