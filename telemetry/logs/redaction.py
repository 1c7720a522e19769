"""Redacts logs, events and errors: values of fields such as `password`, and secrets in text.

Only what is shown is redacted. The engine, handlers and later deliveries of an outcome get the real values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from settings import get_settings
from settings.ops import REDACTED_NAMES

#: text in place of a redacted value
REDACTED = "[redacted]"
#: shortest secret that is searched in free text, in characters; shorter ones would match too often
MIN_SECRET = 4
#: most names in the cache: there are few names of fields, but any number of keys of maps
MAX_NAMES = 10_000
#: most nested levels that are searched; deeper values are redacted as a whole
MAX_DEPTH = 40

#: user name and password of a URL
_LOGIN = re.compile(r"://[^/\s@:]{0,300}:[^/\s@]{1,300}@")
#: types that may hold fields; a tuple, because isinstance() with a union builds the union each time
_CONTAINERS = (dict, list, tuple)
#: removes the characters that join the words of a name, as in `api-key`, `api_key` and `api.key`
_WITHOUT_JOINERS = str.maketrans("", "", "-_. ")


class Redactor:
    """Redacts values of fields by their names.

    A field is redacted if its name is one of `names` or ends in one. Case and the characters that join words are
    ignored: the names `password`, `apiKey` and `token` match `customerPassword`, `X-Api-Key` and `ACCESS_TOKEN`.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._ends = tuple(sorted({_plain(name) for name in names}))
        self._known: dict[str, bool] = {}
        alternatives = "|".join("[-_. ]?".join(map(re.escape, name)) for name in self._ends)
        # password=x, "password": "x", 'apiKey': 'x', Authorization: Bearer x; the value ends at the end of its quotes,
        # or at the next space, comma or bracket
        self._assigned = re.compile(
            rf"""(?P<name>(?:{alternatives})\\?["']?\s{{0,9}}[:=]\s{{0,9}})"""
            r"""(?:(?P<quote>\\?["'])(?:(?!(?P=quote)).)*(?:(?P=quote)|\Z)"""
            r"""|(?P<scheme>(?:Bearer|Basic)\s{1,9})?[^\s,;&"'(){}\[\]]+)""",
            re.IGNORECASE | re.DOTALL,
        )

    def hides(self, name: str) -> bool:
        """True when the value of a field of this name is redacted."""
        known = self._known.get(name)
        if known is None:
            known = _plain(name).endswith(self._ends)
            if len(self._known) < MAX_NAMES:
                self._known[name] = known
        return known

    def redact(self, value: Any, depth: int = 0) -> Any:
        """The value with redacted fields; the same object if no field is redacted."""
        if isinstance(value, dict):
            return self._redact_fields(value, depth)
        if isinstance(value, _CONTAINERS):
            if depth > MAX_DEPTH:
                return REDACTED
            items = [self.redact(item, depth + 1) for item in value]
            return value if all(new is old for new, old in zip(items, value, strict=True)) else items
        return value

    def _redact_fields(self, fields: dict[Any, Any], depth: int) -> Any:
        if depth > MAX_DEPTH:
            return REDACTED
        changed: dict[Any, Any] = {}
        for name, value in fields.items():
            hidden = self._known.get(name)
            if hidden is None:
                hidden = isinstance(name, str) and self.hides(name)
            if hidden:
                if value is not None and value != REDACTED:
                    changed[name] = REDACTED
            elif isinstance(value, _CONTAINERS):
                shown = self.redact(value, depth + 1)
                if shown is not value:
                    changed[name] = shown
        return {**fields, **changed} if changed else fields

    def redact_text(self, text: str, secrets: Iterable[str] = ()) -> str:
        """Text without `secrets`, logins in URLs, and assignments to redacted names: `password=x`, `"token": "x"`."""
        for secret in secrets:
            text = text.replace(secret, REDACTED)
        if "://" in text:
            text = _LOGIN.sub(f"://{REDACTED}@", text)
        return self._assigned.sub(_assignment, text) if self._ends and (":" in text or "=" in text) else text

    def secrets_in(self, value: Any) -> set[str]:
        """The redacted values of fields, as texts, so that they can be removed from messages too."""
        return {text for text in self._find(value, False, 0) if len(text) >= MIN_SECRET}

    def _find(self, value: Any, hidden: bool, depth: int) -> Iterator[str]:
        if depth > MAX_DEPTH:
            return
        if isinstance(value, Mapping):
            # dict.items() doesn't read the lazy values in the input of a step: redaction must not cost requests.
            for name, item in dict.items(value) if isinstance(value, dict) else value.items():
                yield from self._find(item, hidden or (isinstance(name, str) and self.hides(name)), depth + 1)
        elif isinstance(value, list | tuple):
            for item in value:
                yield from self._find(item, hidden, depth + 1)
        elif hidden and isinstance(value, str | int | float) and not isinstance(value, bool):
            yield str(value)


def names_of(configured: Iterable[str]) -> set[str]:
    """The redacted names: the defaults, with those that REDACT adds, without those that it removes (`-iban`)."""
    names = {_plain(name) for name in REDACTED_NAMES}
    for entry in configured:
        if entry.startswith("-"):
            names.discard(_plain(entry))
        else:
            names.add(_plain(entry))
    return names


@cache
def redactor() -> Redactor:
    """The redactor of this process."""
    return Redactor(names_of(get_settings().redact))


_values: ContextVar[tuple[Any, ...]] = ContextVar("values_at_hand", default=())


@contextmanager
def values_at_hand(*values: Any) -> Iterator[None]:
    """Inside the block, remove the redacted values in `values` from all log lines and errors."""
    reset = _values.set((*_values.get(), *values))
    try:
        yield
    finally:
        _values.reset(reset)


def shown(value: Any) -> Any:
    """A document, redacted for logs, events and errors."""
    return redactor().redact(value)


def shown_text(text: str, *values: Any) -> str:
    """Free text, redacted for logs, events and errors; also without the redacted values in `values`."""
    return redactor().redact_text(text, _known(values))


def shown_error(document: Any, *values: Any) -> Any:
    """The document of an error, with redacted fields and with redacted texts."""
    return _texts(shown(document), _known(values), 0)


def _known(values: tuple[Any, ...]) -> list[str]:
    found = {secret for value in (*_values.get(), *values) for secret in redactor().secrets_in(value)}
    # the longest first, because one may be the beginning of another
    return sorted(found, key=len, reverse=True)


def _texts(value: Any, secrets: list[str], depth: int) -> Any:
    if isinstance(value, str):
        return redactor().redact_text(value, secrets)
    if depth > MAX_DEPTH:
        return value
    if isinstance(value, dict):
        return {name: _texts(item, secrets, depth + 1) for name, item in value.items()}
    if isinstance(value, list):
        return [_texts(item, secrets, depth + 1) for item in value]
    return value


def _assignment(match: re.Match[str]) -> str:
    quote = match["quote"] or ""
    return f"{match['name']}{quote}{match['scheme'] or ''}{REDACTED}{quote}"


def _plain(name: str) -> str:
    return name.lower().translate(_WITHOUT_JOINERS)
