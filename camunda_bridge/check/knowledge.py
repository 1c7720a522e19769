"""What is known of the variables at one place of a diagram, and how knowledge of several ways meets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, missing

from camunda_bridge.check.source import returned_fields
from camunda_bridge.definition import StepDefinition


@dataclass(frozen=True, slots=True)
class Known:
    """The variables that are there.

    Attributes:
        certain: those that are there for sure.
        possible: those that somebody gives who may leave them out; the certain ones too.
        is_open: somebody gave variables whose names nobody tells, so that any other may be there as well.
    """

    certain: frozenset[str] = frozenset()
    possible: frozenset[str] = frozenset()
    is_open: bool = False

    @classmethod
    def of(cls, certain: Iterable[str], possible: Iterable[str] = (), *, is_open: bool = False) -> Known:
        """From names."""
        sure = frozenset(certain)
        return cls(sure, sure | frozenset(possible), is_open)

    def and_also(self, other: Known) -> Known:
        """What is known where both were passed."""
        return Known(self.certain | other.certain, self.possible | other.possible, self.is_open or other.is_open)

    def or_else(self, other: Known) -> Known:
        """What is known where one of the two was passed. Something open may be what the other is."""
        certain = _both(self.certain, self.is_open, other.certain, other.is_open)
        possible = _both(self.possible, self.is_open, other.possible, other.is_open)
        return Known(certain, possible, self.is_open and other.is_open)


#: nothing was given
NOTHING = Known()
#: anything may have been given; neutral in `or_else`, so also what is known of a place not looked at yet
ANYTHING = Known(is_open=True)


def _both(mine: frozenset[str], mine_open: bool, others: frozenset[str], others_open: bool) -> frozenset[str]:
    if mine_open and others_open:
        return mine | others
    if mine_open:
        return others
    return mine if others_open else mine & others


def all_of(parts: Iterable[Known]) -> Known:
    """What is known where each of `parts` was passed."""
    found = NOTHING
    for part in parts:
        found = found.and_also(part)
    return found


def one_of(parts: Iterable[Known]) -> Known:
    """What is known where one of `parts` was passed."""
    found = ANYTHING
    for part in parts:
        found = found.or_else(part)
    return found


def of_start(schema: Schema | None) -> Known:
    """What a start gives. Its variables go on as they came: a `load_default` of the start's schema adds none."""
    if schema is None:
        return ANYTHING
    return Known.of(required_fields(schema), _names(schema))


def of_step(step: StepDefinition) -> Known:
    """What a step gives, by its output schema, else by what its source says."""
    schema = step.output_schema
    if schema is None:
        names, is_open = returned_fields(step.handler)
        # A hook may return another output in its place.
        return Known.of(names, is_open=is_open or bool(step.hooks.after))
    dumped = {_name(name, item): item for name, item in schema.fields.items() if not item.load_only}
    return Known.of([name for name, item in dumped.items() if item.required or _has_default(item)], dumped)


def required_fields(schema: Schema) -> list[str]:
    """The names without which the schema refuses its input."""
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
