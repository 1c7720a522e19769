"""Evaluates the conditions of a diagram (JUEL, the engine's expression language).

https://docs.camunda.org/manual/7.24/user-guide/process-engine/expression-language/
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from camunda_bridge.bpmn.expressions import EXPRESSION, TEXT
from service.errors import NotReadable

_WORDS = (
    (re.compile(r"&&"), " and "),
    (re.compile(r"\|\|"), " or "),
    (re.compile(r"!(?!=)"), " not "),
    (re.compile(r"\beq\b"), "=="),
    (re.compile(r"\bne\b"), "!="),
    (re.compile(r"\blt\b"), "<"),
    (re.compile(r"\bgt\b"), ">"),
    (re.compile(r"\ble\b"), "<="),
    (re.compile(r"\bge\b"), ">="),
    (re.compile(r"\btrue\b"), "True"),
    (re.compile(r"\bfalse\b"), "False"),
    (re.compile(r"\bnull\b"), "None"),
)
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.Gt: operator.gt,
    ast.LtE: operator.le,
    ast.GtE: operator.ge,
}


def evaluate(text: str, values: Mapping[str, Any]) -> bool:
    """The value of a condition.

    Raises:
        NotReadable: see there.
    """
    try:
        return bool(_value(_tree(text), values))
    except TypeError as error:
        raise NotReadable(text) from error


def candidates(text: str) -> Iterator[tuple[str, list[Any]]]:
    """For each variable of a condition the values that may decide it.

    Raises:
        NotReadable: see there.
    """
    tree = _tree(text)
    compared: dict[str, list[Any]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            constants = [_value(side, {}) for side in sides if not isinstance(side, ast.Name)]
            for side in sides:
                if isinstance(side, ast.Name):
                    compared.setdefault(side.id, []).extend(near for it in constants for near in _near(it))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id, compared.get(node.id) or [True, False]


def _near(constant: Any) -> list[Any]:
    if isinstance(constant, bool):
        return [constant, not constant]
    if isinstance(constant, int | float):
        return [constant, constant + 1, constant - 1]
    return [constant, f"other than {constant}" if isinstance(constant, str) else "something"]


def _tree(text: str) -> ast.expr:
    match = EXPRESSION.fullmatch(text.strip())
    if match is None:
        raise NotReadable(text)
    source = match[1]
    texts = TEXT.findall(source)
    source = TEXT.sub("\0", source)
    for pattern, word in _WORDS:
        source = pattern.sub(word, source)
    for one in texts:
        source = source.replace("\0", one, 1)
    try:
        return ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise NotReadable(text) from error


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.Name() if node.id in values:
            return values[node.id]
        case ast.UnaryOp(op=ast.Not()):
            return not _value(node.operand, values)
        case ast.UnaryOp(op=ast.USub()):
            return -_value(node.operand, values)
        case ast.BoolOp():
            parts = (_value(part, values) for part in node.values)
            return all(parts) if isinstance(node.op, ast.And) else any(parts)
        case ast.Compare(ops=[op], comparators=[right]) if type(op) in _COMPARE:
            return _COMPARE[type(op)](_value(node.left, values), _value(right, values))
    raise NotReadable(ast.unparse(node))
