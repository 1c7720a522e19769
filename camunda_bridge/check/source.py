"""Reads the source of a handler without running it: the error codes that it raises, and the fields that it returns.

Names are resolved as Python does, in the globals and the closure of the function. Called functions of the same
top-level package are read too. A value that can't be read from the source is unknown; nothing is guessed.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any

from camunda_bridge.errors import BusinessRuleError

_UNKNOWN = object()
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def raised_codes(handler: Callable[..., Any]) -> set[str]:
    """The codes of the business errors that a handler and the functions of its package that it calls may raise."""
    function = inspect.unwrap(handler)
    if not isinstance(function, FunctionType):
        return set()
    found: set[str] = set()
    seen: set[FunctionType] = set()
    waiting = [function]
    package = function.__module__.partition(".")[0]
    while waiting:
        current = waiting.pop()
        if current in seen or current.__module__.partition(".")[0] != package:
            continue
        seen.add(current)
        if (tree := _tree(current)) is not None:
            visitor = _Raises(current)
            visitor.visit(tree)
            found |= visitor.codes
            waiting += visitor.called
    return found


def returned_fields(handler: Callable[..., Any]) -> tuple[set[str], bool]:
    """The fields that every return of a handler has, and True when the source may return other fields too."""
    function = inspect.unwrap(handler)
    tree = _tree(function) if isinstance(function, FunctionType) else None
    if tree is None or not isinstance(tree, ast.FunctionDef):
        return set(), True
    always: set[str] | None = None
    is_open = False
    for value in _returned(tree.body):
        names, more = _fields(value)
        always = names if always is None else always & names
        is_open |= more
    return always or set(), is_open


class _Raises(ast.NodeVisitor):
    def __init__(self, function: FunctionType) -> None:
        self._names = _scope_of(function)
        self.codes: set[str] = set()
        self.called: list[FunctionType] = []

    def visit_Try(self, node: ast.Try) -> None:
        swallowed = any(self._swallows(handler) for handler in node.handlers)
        for part in ([] if swallowed else node.body), node.handlers, node.orelse, node.finalbody:
            for statement in part:
                self.visit(statement)

    def visit_Call(self, node: ast.Call) -> None:
        target = _resolve(node.func, self._names)
        if isinstance(target, type) and issubclass(target, BusinessRuleError):
            code = _code_of(node, target, self._names)
            if isinstance(code, str):
                self.codes.add(code)
        elif isinstance(target, FunctionType):
            self.called.append(inspect.unwrap(target))
        self.generic_visit(node)

    def _swallows(self, handler: ast.ExceptHandler) -> bool:
        """True when this clause catches business errors and doesn't raise them again."""
        kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        caught = [BaseException if kind is None else _resolve(kind, self._names) for kind in kinds]
        if not any(isinstance(kind, type) and issubclass(BusinessRuleError, kind) for kind in caught):
            return False
        return not any(
            isinstance(inner, ast.Raise)
            and (inner.exc is None or (isinstance(inner.exc, ast.Name) and inner.exc.id == handler.name))
            for inner in ast.walk(handler)
        )


def _code_of(call: ast.Call, error: type[BusinessRuleError], names: dict[str, Any]) -> Any:
    """The error code in a call of an error class; a subclass may set a fixed code in its `__init__`."""
    init = error.__init__
    if init is not BusinessRuleError.__init__ and isinstance(init, FunctionType):
        inner = _super_init(init)
        if inner is None:
            return _UNKNOWN
        own = _argument(inner, "code", _scope_of(init))
        if isinstance(own, str):
            return own
    return _argument(call, "code", names)


def _super_init(init: FunctionType) -> ast.Call | None:
    tree = _tree(init)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "__init__":
            return node
    return None


def _argument(call: ast.Call, name: str, names: dict[str, Any]) -> Any:
    given = [keyword.value for keyword in call.keywords if keyword.arg == name] or call.args[:1]
    if not given:
        return _UNKNOWN
    return given[0].value if isinstance(given[0], ast.Constant) else _resolve(given[0], names)


def _resolve(node: ast.expr, names: dict[str, Any]) -> Any:
    if isinstance(node, ast.Name):
        return names.get(node.id, _UNKNOWN)
    if isinstance(node, ast.Attribute):
        owner = _resolve(node.value, names)
        # Only of modules and classes, because getattr on other objects may run code.
        if isinstance(owner, ModuleType | type):
            return getattr(owner, node.attr, _UNKNOWN)
    return _UNKNOWN


def _scope_of(function: FunctionType) -> dict[str, Any]:
    names = {**vars(__import__("builtins")), **function.__globals__}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            names[name] = cell.cell_contents
        except ValueError:
            # the variable of the closure isn't set yet
            continue
    # A local variable hides a global of the same name, and its value is unknown.
    for name in function.__code__.co_varnames:
        names.pop(name, None)
    return names


def _tree(function: FunctionType) -> ast.AST | None:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        # a function made by exec, or a lambda in the middle of a line
        return None


def _returned(body: list[ast.stmt]) -> Iterator[ast.expr | None]:
    for statement in body:
        if isinstance(statement, ast.Return):
            yield statement.value
        if isinstance(statement, (*_FUNCTIONS, ast.ClassDef)):
            continue
        for part in ("body", "orelse", "finalbody"):
            yield from _returned(getattr(statement, part, []))
        for branch in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
            yield from _returned(branch.body)


def _fields(value: ast.expr | None) -> tuple[set[str], bool]:
    if value is None or (isinstance(value, ast.Constant) and value.value is None):
        return set(), False
    if isinstance(value, ast.Dict):
        names = {key.value for key in value.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
        return names, len(names) < len(value.keys)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "dict" and not value.args:
        named = {keyword.arg for keyword in value.keywords if keyword.arg}
        return named, len(named) < len(value.keywords)
    return set(), True
