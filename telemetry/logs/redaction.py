"""What nobody is to read in logs, events and errors: values of fields such as `password`, and secrets in text.

Only what is shown is redacted. What the engine, a handler or a redelivery needs stays as it is.
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

#: what stands in place of a value
REDACTED = "[redacted]"
#: a shorter value is not looked for in free text: it would be found everywhere
MIN_SECRET = 4
#: names remembered, at most; those of fields are few, keys of a map may be any number
MAX_NAMES = 10_000
#: levels into which values are looked; nobody nests deeper but to break us
MAX_DEPTH = 40

#: user name and password of a URL
_LOGIN = re.compile(r"://[^/\s@]{0,300}:[^/\s@]{1,300}@")
#: what may hold fields (a tuple: a union is put together anew at each look)
_HOLDERS = (dict, list, tuple)
#: what joins the words of a name, in `api-key`, `api_key` and `api.key`
_JOINTS = str.maketrans("", "", "-_. ")


class Redactor:
    """Knows which names are not shown.

    A name counts if it is one of `names`, or ends in one, whatever its case and whatever joins its words:
    `customerPassword`, `X-Api-Key` and `ACCESS_TOKEN` by the names `password`, `apiKey` and `token`.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._ends = tuple(sorted({_plain(name) for name in names}))
        self._known: dict[str, bool] = {}
        alternatives = "|".join("[-_. ]?".join(map(re.escape, name)) for name in self._ends)
        # password=x, "password": "x", 'apiKey': 'x', Authorization: Bearer x; the value ends where its quotes end, or
        # at the next space, comma or bracket
        self._assigned = re.compile(
            rf"""(?P<name>(?:{alternatives})\\?["']?\s{{0,9}}[:=]\s{{0,9}})"""
            r"""(?:(?P<quote>\\?["'])(?:(?!(?P=quote)).)*(?:(?P=quote)|\Z)"""
            r"""|(?P<scheme>(?:Bearer|Basic)\s{1,9})?[^\s,;&"'(){}\[\]]+)""",
            re.IGNORECASE | re.DOTALL,
        )

    def hides(self, name: str) -> bool:
        """True when the value of a field of this name is not shown."""
        known = self._known.get(name)
        if known is None:
            known = _plain(name).endswith(self._ends)
            if len(self._known) < MAX_NAMES:
                self._known[name] = known
        return known

    def redact(self, value: Any, depth: int = 0) -> Any:
        """The value as it may be shown; the very same object where nothing of it is hidden."""
        if isinstance(value, dict):
            return self._redact_fields(value, depth)
        if isinstance(value, _HOLDERS):
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
            elif isinstance(value, _HOLDERS):
                shown = self.redact(value, depth + 1)
                if shown is not value:
                    changed[name] = shown
        return {**fields, **changed} if changed else fields

    def redact_text(self, text: str, secrets: Iterable[str] = ()) -> str:
        """Text without `secrets`, logins of URLs and what it assigns to hidden names: `password=x`, `"token": "x"`."""
        for secret in secrets:
            text = text.replace(secret, REDACTED)
        if "://" in text:
            text = _LOGIN.sub(f"://{REDACTED}@", text)
        return self._assigned.sub(_assignment, text) if self._ends and (":" in text or "=" in text) else text

    def secrets_in(self, value: Any) -> set[str]:
        """The hidden values in fields, as texts: what must not stand in any message about them either."""
        return {text for text in self._find(value, False, 0) if len(text) >= MIN_SECRET}

    def _find(self, value: Any, hidden: bool, depth: int) -> Iterator[str]:
        if depth > MAX_DEPTH:
            return
        if isinstance(value, Mapping):
            # Of a step's input what is there: a value that is read on first use is not used here.
            for name, item in dict.items(value) if isinstance(value, dict) else value.items():
                yield from self._find(item, hidden or (isinstance(name, str) and self.hides(name)), depth + 1)
        elif isinstance(value, list | tuple):
            for item in value:
                yield from self._find(item, hidden, depth + 1)
        elif hidden and isinstance(value, str | int | float) and not isinstance(value, bool):
            yield str(value)


def names_of(configured: Iterable[str]) -> set[str]:
    """The names that REDACT leads to: the defaults, with those it adds and without those it takes away (`-iban`)."""
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
    """Inside the block, lines of log and errors are kept free of the hidden values in `values`."""
    reset = _values.set((*_values.get(), *values))
    try:
        yield
    finally:
        _values.reset(reset)


def shown(value: Any) -> Any:
    """A document as logs, events and errors show it."""
    return redactor().redact(value)


def shown_text(text: str, *values: Any) -> str:
    """Free text as logs, events and errors show it, without the hidden values in `values` and those at hand."""
    return redactor().redact_text(text, _known(values))


def shown_error(document: Any, *values: Any) -> Any:
    """An error's document: its fields by their names, its texts by what stands in them."""
    return _texts(shown(document), _known(values), 0)


def _known(values: tuple[Any, ...]) -> list[str]:
    found = {secret for value in (*_values.get(), *values) for secret in redactor().secrets_in(value)}
    # the longest first: one may be the beginning of another
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
    return name.lower().translate(_JOINTS)
