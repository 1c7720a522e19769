"""How a setting is declared and checked."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import field
from typing import Any
from urllib.parse import urlsplit

from environs import EnvValidationError, ValidationError

#: a rate limit: requests for each period
RATE = re.compile(r"[1-9][0-9]{0,8}/(second|minute|hour|day)\Z")


def setting(kind: str, default: Any, doc: str, *, secret: bool = False, **limits: Any) -> Any:
    """A field read from the environment variable of its own name in capitals.

    `kind` is the name of the environs parser; `limits` are `least`, `most` (numbers), `one_of` (texts) and `schemes`
    (URLs; with `optional`, none too).
    """
    return field(default=default, repr=not secret, metadata={"kind": kind, "doc": doc, "secret": secret, **limits})


def checks_of(limits: Any) -> list[Callable[[Any], None]]:
    checks: list[Callable[[Any], None]] = []

    def check(is_wrong: Callable[[Any], bool], message: str) -> None:
        def validate(value: Any) -> None:
            if is_wrong(value):
                raise ValidationError(message)

        checks.append(validate)

    if "least" in limits:
        check(lambda value: value < limits["least"], f"must be at least {limits['least']}")
    if "most" in limits:
        check(lambda value: value > limits["most"], f"must be at most {limits['most']}")
    if "one_of" in limits:
        check(lambda value: value not in limits["one_of"], "must be one of " + ", ".join(limits["one_of"]))
    if "schemes" in limits:
        starts = " or ".join(f"{scheme}://" for scheme in limits["schemes"])
        allowed = ("",) if limits.get("optional") else ()
        check(
            lambda value: value not in allowed and not is_url(value, limits["schemes"]),
            f"must be a URL that begins with {starts}",
        )
    return checks


def is_url(value: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(value)
        # A file has no host, and a database may be named without one; `port` raises when it is no number.
        complete = not parts.scheme.startswith("http") or (bool(parts.hostname) and parts.port != 0)
    except ValueError:
        return False
    return complete and parts.scheme in schemes


def is_origin(text: str) -> bool:
    return is_url(text, ("http", "https")) and text == f"{urlsplit(text).scheme}://{urlsplit(text).netloc}"


def reasons_of(error: EnvValidationError | ValueError) -> str:
    messages = getattr(error, "error_messages", None)
    if not isinstance(messages, dict):
        return str(error)
    return "; ".join(f"{name}: {' '.join(str(text) for text in texts)}" for name, texts in messages.items())
