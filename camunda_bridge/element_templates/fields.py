"""What a field of a schema is for the Modeler: its kind in words, its choices, and the values of its mapping."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from marshmallow import fields, missing, validate

from camunda_bridge.element_templates import juel

AnyField = fields.Field[Any]

#: a text that may be longer gets an area of several lines, in characters
LONGEST_LINE = 200

#: class of a field -> its kind in words; the first that fits counts
_KINDS: tuple[tuple[type[AnyField], str], ...] = (
    (fields.Email, "Email address"),
    (fields.Url, "URL"),
    (fields.UUID, "UUID"),
    (fields.Boolean, "True or false"),
    (fields.Integer, "Whole number"),
    (fields.Number, "Number"),
    (fields.DateTime, "Date and time"),
    (fields.Date, "Date"),
    (fields.Time, "Time"),
    (fields.Enum, "Text"),
    (fields.String, "Text"),
    (fields.List, "List"),
    (fields.Nested, "Object"),
    (fields.Mapping, "Object"),
)
_STRUCTURED = (fields.List, fields.Nested, fields.Mapping)


def kind_of(item: AnyField) -> str:
    """The kind of a field in words."""
    if isinstance(item, fields.Nested) and item.many:
        return "List"
    return next((words for kind, words in _KINDS if isinstance(item, kind)), "Any value")


def described(item: AnyField, *, is_required: bool) -> str:
    """What is known of a field, in sentences: its description, its kind and limits, and its default."""
    known = [str(item.metadata.get("description", "")), ", ".join([kind_of(item), *_limits(item)])]
    if not is_required:
        known.append(f"Optional{_default_in_words(item)}")
    elif item.allow_none:
        known.append("May be null")
    return " ".join(f"{text.strip().removesuffix('.')}." for text in known if text.strip())


def is_long(item: AnyField) -> bool:
    """True if the value may need several lines."""
    if isinstance(item, _STRUCTURED):
        return True
    limits = [found.max for found in _validators(item, validate.Length) if found.max is not None]
    return isinstance(item, fields.String) and bool(limits) and min(limits) > LONGEST_LINE


def choices_of(item: AnyField) -> list[tuple[str, str]] | None:
    """Label and text of the mapping for each value that the field accepts; None if these are not a few."""
    if isinstance(item, fields.Boolean):
        values: list[Any] = [True, False]
        labels: list[str] = []
    elif isinstance(item, fields.Enum):
        values = [member.value if item.by_value else member.name for member in item.enum]
        labels = []
    else:
        found = next(iter(_validators(item, validate.OneOf)), None)
        if found is None:
            return None
        values, labels = list(found.choices), [str(label) for label in found.labels]
    labels += [_shown(value) for value in values[len(labels) :]]
    choices = [(label, text) for label, value in zip(labels, values, strict=False) if (text := juel.literal(value))]
    return choices if len(choices) == len(values) else None


def initial_mapping(name: str, item: AnyField, *, is_required: bool) -> str | None:
    """The text of a mapping with which the step gets what it would get without one: the variable of that name.

    None if no mapping does that: without the variable, the field must be missing.
    """
    is_any = kind_of(item) == "Any value" and choices_of(item) is None
    if is_required:
        return juel.typed(name) if is_any else juel.variable(name)
    default = _default(item)
    if default is None or (default is missing and item.allow_none):
        return juel.typed(name) if is_any else juel.variable_or_null(name)
    return juel.variable_or(name, default)


def _limits(item: AnyField) -> Iterator[str]:
    for found in _validators(item, validate.Range):
        yield _between(found.min, found.max)
    for length in _validators(item, validate.Length):
        what = "items" if isinstance(item, _STRUCTURED) else "characters"
        exact = length.equal is not None
        yield f"{length.equal} {what}" if exact else f"{_between(length.min, length.max)} {what}"


def _between(least: Any, most: Any) -> str:
    if least is None:
        return f"at most {most}"
    return f"at least {least}" if most is None else f"{least} to {most}"


def _validators(item: AnyField, kind: type[Any]) -> Iterator[Any]:
    return (found for found in item.validators if isinstance(found, kind))


def _default(item: AnyField) -> Any:
    """The default of a field as a variable would have it; `missing` if there is none, or if a function computes it."""
    default = item.load_default
    if default is missing or callable(default) or default is None:
        return missing if callable(default) else default
    key = item.attribute or "value"
    return item.serialize(key, {key: default})


def _default_in_words(item: AnyField) -> str:
    default = _default(item)
    return "" if default is missing or default is None else f", without it {_shown(default)}"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value) if value != "" else '""'
