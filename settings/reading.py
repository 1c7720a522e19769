"""Declares and checks settings."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import field
from typing import Any
from urllib.parse import urlsplit

from environs import EnvValidationError, ValidationError

#: a rate: a number for each second, minute, hour or day
RATE = re.compile(r"[1-9][0-9]{0,8}/(second|minute|hour|day)\Z")


def setting(kind: str, default: Any, doc: str, *, secret: bool = False, **limits: Any) -> Any:
    """A field that is read from the environment variable of the same name in upper case.

    Args:
        kind: name of the environs parser.
        default: value when the variable isn't set.
        doc: meaning, for the documentation and `.env.example`.
        secret: True when the value must not be shown.
        limits: `least` and `most` (numbers), `one_of` (texts), `schemes` (URLs; with `optional`, empty is allowed),
            `matches` (a pattern from the beginning, with its message in `must`).
    """
    return field(default=default, repr=not secret, metadata={"kind": kind, "doc": doc, "secret": secret, **limits})


def checks_of(limits: Any) -> list[Callable[[Any], None]]:
    """The validators for the limits of a setting."""
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
    if "matches" in limits:
        check(lambda value: limits["matches"].match(value) is None, limits["must"])
    if "schemes" in limits:
        starts = " or ".join(f"{scheme}://" for scheme in limits["schemes"])
        allowed = ("",) if limits.get("optional") else ()
        check(
            lambda value: value not in allowed and not is_url(value, limits["schemes"]),
            f"must be a URL that begins with {starts}",
        )
    return checks


def is_url(value: str, schemes: tuple[str, ...]) -> bool:
    """True when `value` is a URL of one of these schemes; an HTTP URL needs a host."""
    try:
        parts = urlsplit(value)
        # URLs of files have no host, and those of databases needn't have one. `port` raises when it isn't a number.
        complete = not parts.scheme.startswith("http") or (bool(parts.hostname) and parts.port != 0)
    except ValueError:
        return False
    return complete and parts.scheme in schemes


def is_origin(text: str) -> bool:
    """True when `text` is an origin: scheme, host and port of an HTTP URL, without a path."""
    return is_url(text, ("http", "https")) and text == f"{urlsplit(text).scheme}://{urlsplit(text).netloc}"


def reasons_of(error: EnvValidationError | ValueError) -> str:
    """The message of a :class:`SettingsError`: each invalid variable and what is wrong with it."""
    messages = getattr(error, "error_messages", None)
    if not isinstance(messages, dict):
        return str(error)
    return "; ".join(f"{name}: {' '.join(str(text) for text in texts)}" for name, texts in messages.items())
