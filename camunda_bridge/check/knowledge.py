"""The variables that are known at one place of a diagram, and how to combine what is known on several paths."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, missing

from camunda_bridge.check.source import returned_fields
from camunda_bridge.steps import StepDefinition


@dataclass(frozen=True, slots=True)
class Known:
    """The variables that are known to be set.

    Attributes:
        certain: names of the variables that are always set.
        possible: names of the variables that may be set, including the certain ones.
        is_open: True when variables with unknown names may be set too.
    """

    certain: frozenset[str] = frozenset()
    possible: frozenset[str] = frozenset()
    is_open: bool = False

    @classmethod
    def of(cls, certain: Iterable[str], possible: Iterable[str] = (), *, is_open: bool = False) -> Known:
        """From names; the certain ones are also possible."""
        sure = frozenset(certain)
        return cls(sure, sure | frozenset(possible), is_open)

    def and_also(self, other: Known) -> Known:
        """What is known when both places were passed."""
        return Known(self.certain | other.certain, self.possible | other.possible, self.is_open or other.is_open)

    def without(self, names: frozenset[str]) -> Known:
        """The same without these variables."""
        return Known(self.certain - names, self.possible - names, self.is_open)

    def perhaps(self) -> Known:
        """What is known when the place may have been passed, or not."""
        return Known(frozenset(), self.possible, self.is_open)

    def or_else(self, other: Known) -> Known:
        """What is known when one of two places was passed. An open one may set all variables of the other."""
        certain = _both(self.certain, self.is_open, other.certain, other.is_open)
        possible = _both(self.possible, self.is_open, other.possible, other.is_open)
        return Known(certain, possible, self.is_open and other.is_open)


#: no variable was set
NOTHING = Known()
#: any variable may have been set; neutral in `or_else`, so that it is also the value of a place not computed yet
ANYTHING = Known(is_open=True)


def _both(mine: frozenset[str], mine_open: bool, others: frozenset[str], others_open: bool) -> frozenset[str]:
    if mine_open and others_open:
        return mine | others
    if mine_open:
        return others
    return mine if others_open else mine & others


def all_of(parts: Iterable[Known]) -> Known:
    """What is known when each of `parts` was passed."""
    found = NOTHING
    for part in parts:
        found = found.and_also(part)
    return found


def one_of(parts: Iterable[Known]) -> Known:
    """What is known when one of `parts` was passed."""
    found = ANYTHING
    for part in parts:
        found = found.or_else(part)
    return found


def of_start(schema: Schema | None) -> Known:
    """The variables of a start. They are passed on as received: a `load_default` of the start schema adds none."""
    if schema is None:
        return ANYTHING
    return Known.of(required_fields(schema), _names(schema))


def of_step(step: StepDefinition) -> Known:
    """The variables that a step sets, according to its output schema, or without one according to its source."""
    schema = step.output_schema
    if schema is None:
        names, is_open = returned_fields(step.handler)
        # An `after` hook may replace the output.
        return Known.of(names, is_open=is_open or bool(step.hooks.after))
    dumped = {_name(name, item): item for name, item in schema.fields.items() if not item.load_only}
    return Known.of([name for name, item in dumped.items() if item.required or _has_default(item)], dumped)


def output_names(step: StepDefinition) -> list[str]:
    """The names of the variables that a step may set: those of its schema, or without one those in its source."""
    schema = step.output_schema
    if schema is None:
        return sorted(returned_fields(step.handler)[0])
    return [_name(name, item) for name, item in schema.fields.items() if not item.load_only]


def required_fields(schema: Schema) -> list[str]:
    """The names of the fields that an input of the schema must have."""
    partial = schema.partial
    if partial is True:
        return []
    optional = set(partial or ())
    return [
        _name(name, item)
        for name, item in schema.fields.items()
        if item.required and not item.dump_only and name not in optional
    ]


def _names(schema: Schema) -> list[str]:
    return [_name(name, item) for name, item in schema.fields.items()]


def _name(name: str, item: Any) -> str:
    return item.data_key or name


def _has_default(item: Any) -> bool:
    return item.dump_default is not missing
