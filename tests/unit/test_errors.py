"""Exceptions of the project have one base class, one module a package, and a docstring that names what raises them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import pytest

from errors import CeleryCamundaError
from tasks.errors import HandlerInterrupted

PACKAGES = ("app", "camunda_bridge", "service", "store", "tasks", "telemetry", "testkit")
#: the exception for an answer of the API, which needs no such docstring
ANSWERS = {"app.responses.problem.Problem"}


def modules() -> Iterator[str]:
    yield "settings"
    for package in PACKAGES:
        path = importlib.import_module(package).__path__
        for found in pkgutil.walk_packages(path, f"{package}."):
            if found.name not in {"app.gunicorn", "store.migrations.env"}:
                yield found.name


def defined() -> dict[str, type[BaseException]]:
    found: dict[str, type[BaseException]] = {}
    for name in modules():
        for value in vars(importlib.import_module(name)).values():
            is_ours = inspect.isclass(value) and value.__module__ == name
            # A warning is not raised.
            if is_ours and issubclass(value, BaseException) and not issubclass(value, Warning):
                found[f"{name}.{value.__name__}"] = value
    return found


DEFINED = defined()


def test_there_are_some() -> None:
    assert "camunda_bridge.errors.EngineUnavailable" in DEFINED


@pytest.mark.parametrize("name", sorted(DEFINED))
def test_exception_has_the_base_and_stands_in_the_module_of_its_package(name: str) -> None:
    # What interrupts a handler must not be an `Exception`, which the handler may catch.
    assert issubclass(DEFINED[name], CeleryCamundaError | HandlerInterrupted)
    assert name in ANSWERS or name.rpartition(".")[0].rpartition(".")[2] in {"errors", "settings"}


@pytest.mark.parametrize("name", sorted(DEFINED))
def test_docstring_says_who_raises_it(name: str) -> None:
    is_base = any(other is not DEFINED[name] and issubclass(other, DEFINED[name]) for other in DEFINED.values())
    assert is_base or name in ANSWERS or "raise" in (DEFINED[name].__doc__ or "")


def test_first_line_of_the_docstring_is_the_message() -> None:
    class Odd(CeleryCamundaError):
        """Something odd.

        Nobody raises it.
        """

    assert str(Odd()) == "Something odd."
    assert str(Odd("this")) == "this"
