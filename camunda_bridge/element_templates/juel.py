"""Expressions of the engine (JUEL) for input and output mappings."""

from __future__ import annotations

import math
import re

#: an int that the engine reads as a Long
MAX_LONG = 2**63 - 1

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
#: words of the language, and names of the engine's own objects
_RESERVED = re.compile(
    r"(and|or|not|eq|ne|lt|gt|le|ge|div|mod|empty|instanceof|true|false|null"
    r"|execution|task|externalTask|caseExecution|authenticatedUserId)\Z"
)


def variable(name: str) -> str:
    """The variable of a name. The engine refuses to go on if there is none.

    A file becomes bytes in it; :func:`typed` keeps it.
    """
    return f"${{{_read(name)}}}"


def variable_or_null(name: str) -> str:
    """The variable of a name, or null."""
    return f"${{execution.getVariable({_text(name)})}}"


def variable_or(name: str, default: object) -> str | None:
    """The variable of a name, or a default: text, number, boolean or None. None if the default is something else."""
    constant = _constant(default)
    return None if constant is None else f"${{execution.hasVariable({_text(name)}) ? {_read(name)} : {constant}}}"


def typed(name: str) -> str:
    """The variable of a name as the engine stores it, or null. The engine reads no file or Java object for it."""
    return f"${{execution.getVariableTyped({_text(name)}, false)}}"


def literal(value: object) -> str | None:
    """The text of a mapping that gives a constant. Text stands for itself; everything else keeps its type.

    None if the value is no text, number, boolean or None.
    """
    # The engine strips the text of a mapping, takes an empty one as null, and evaluates what has a brace after $ or #.
    if isinstance(value, str) and value and value == value.strip() and "${" not in value and "#{" not in value:
        return value
    constant = _constant(value)
    return None if constant is None else f"${{{constant}}}"


def _read(name: str) -> str:
    is_plain = _IDENTIFIER.match(name) and not _RESERVED.match(name)
    return name if is_plain else f"execution.getVariable({_text(name)})"


def _constant(value: object) -> str | None:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if (isinstance(value, int) and abs(value) <= MAX_LONG) or (isinstance(value, float) and math.isfinite(value)):
        return repr(value)
    return None


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
