"""The input of a step is a dict whose values are read when they are used."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from camunda_bridge.values import Later, Values


def values(**more: Any) -> Values:
    found = Values(a=1)
    for name, value in more.items():
        found[name] = value
    return found


def fails() -> Any:
    raise LookupError("cannot be read")


READS: list[Callable[[Values], Any]] = [
    lambda given: given["b"],
    lambda given: given.get("b"),
    lambda given: given.setdefault("b", 5),
    lambda given: given.pop("b"),
    lambda given: given.popitem(),
    lambda given: list(given.values()),
    lambda given: list(given.items()),
    dict,
    lambda given: {**given},
    lambda given: given | {},
    lambda given: {} | given,
    {}.update,
    lambda given: given == {},
    json.dumps,
    copy.deepcopy,
    "{b}".format_map,
    lambda given: dict(**given),
]


@pytest.mark.parametrize("read", READS)
def test_every_way_to_a_value_reads_it(read: Callable[[Values], Any]) -> None:
    with pytest.raises(LookupError, match="cannot be read"):
        read(values(b=Later("shown", fails)))


@pytest.mark.parametrize(
    "look",
    [
        lambda given: "b" in given,
        len,
        list,
        sorted,
        lambda given: given["a"],
        lambda given: given.get("c"),
        lambda given: given.pop("a"),
        lambda given: list(given.keys()),
        lambda given: given.copy(),
        copy.copy,
        repr,
        bool,
    ],
)
def test_names_and_other_values_are_read_without_it(look: Callable[[Values], Any]) -> None:
    look(values(b=Later("shown", fails)))


def test_value_is_read_once_and_then_it_is_a_dict_as_any_other() -> None:
    reads: list[int] = []

    def read() -> list[int]:
        reads.append(1)
        return [2]

    given = values(b=Later("shown", read))
    mine = given.copy()
    assert given == {"a": 1, "b": [2]}
    assert given["b"] is given["b"]
    assert json.loads(json.dumps(given)) == dict(given) == given | {} == {} | given
    assert len(reads) == 1
    assert mine["b"] == [2]
    assert isinstance(given, dict)
    assert (given.pop("b"), given.pop("b", None), given.setdefault("c", 3)) == ([2], None, 3)
    assert (given.popitem(), given) == (("c", 3), {"a": 1})
    with pytest.raises(KeyError):
        given["b"]
    with pytest.raises(KeyError):
        given.pop("b")
