"""The names of variables in the expressions of a diagram (JUEL, the engine's expression language).

https://docs.camunda.org/manual/7.24/user-guide/process-engine/expression-language/
"""

from __future__ import annotations

import re
from collections.abc import Iterator

EXPRESSION = re.compile(r"[$#]\{(.*?)\}", re.DOTALL)
#: a text within an expression
TEXT = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_NAME = re.compile(r"(?<![\w.:])([A-Za-z_]\w*)(?!\w)(?!\s*[(:])((?:\s*\.\s*\w+)*\s*\()?")
_GET_VARIABLE = re.compile(r"""\b(?:get|has)Variable(?:Local)?\(\s*["']([^"']+)["']\s*\)""")
#: words of the language, and objects that the engine gives to every expression
_NO_VARIABLES = frozenset(
    {"true", "false", "null", "empty", "and", "or", "not", "eq", "ne", "lt", "gt", "le", "ge", "div", "mod"}
    | {"execution", "task", "externalTask", "connector", "authenticatedUserId", "authenticatedGroupIds"}
    | {"loopCounter", "nrOfInstances", "nrOfActiveInstances", "nrOfCompletedInstances", "instanceof"}
)


def names(text: str) -> list[str]:
    """The variables that the expressions of a text read, each once."""
    found: dict[str, None] = {}
    for inner in EXPRESSION.findall(text):
        found |= dict.fromkeys(_GET_VARIABLE.findall(inner))
        found |= {name: None for name, _ in _roots(inner)}
    return list(found)


def needed_names(text: str) -> list[str]:
    """The variables without which the engine can't evaluate the expressions of a text, each once.

    Left out are an object of which a method is called, because it may be a bean of the engine, and a variable for which
    the expression itself asks with `execution.getVariable` or `execution.hasVariable`.
    """
    found: dict[str, None] = {}
    for inner in EXPRESSION.findall(text):
        asked = set(_GET_VARIABLE.findall(inner))
        found |= {name: None for name, call in _roots(inner) if not call and name not in asked}
    return list(found)


def _roots(inner: str) -> Iterator[tuple[str, str]]:
    """The names at the beginning of each path of an expression; with the rest of the path if it calls a method."""
    for name, call in _NAME.findall(TEXT.sub("''", inner)):
        if name not in _NO_VARIABLES:
            yield name, call
