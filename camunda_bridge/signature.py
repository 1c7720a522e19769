"""How a handler is called: by its signature, which people write in the form that suits them.

    def charge(order): ...                                  the whole input
    def charge(order, context): ...                         and the StepContext
    def charge(amount: int, currency: str = "EUR"): ...     named variables
    def charge(order: Order): ...                           a dataclass

Variables of named parameters and dataclasses are checked and converted by their types, as an input schema does it. A
parameter that is annotated with `StepContext`, or called `context`, gets the context in every form.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, Union
from uuid import UUID

from marshmallow import EXCLUDE, Schema, fields, post_load, validate

from camunda_bridge.context import StepContext
from camunda_bridge.errors import DefinitionError

Handler = Callable[..., Any]
Call = Callable[[Any, StepContext], Any]

_FIELDS: dict[Any, type[fields.Field[Any]]] = {
    str: fields.String,
    int: fields.Integer,
    float: fields.Float,
    bool: fields.Boolean,
    Decimal: fields.Decimal,
    datetime: fields.DateTime,
    date: fields.Date,
    time: fields.Time,
    UUID: fields.UUID,
    bytes: fields.Raw,
    Any: fields.Raw,
}
#: annotations of a single parameter that gets the whole input
_WHOLE = (inspect.Parameter.empty, Any, object, dict, Mapping)


@dataclasses.dataclass(frozen=True, slots=True)
class Signature:
    """How to call a handler, and the schema that its types stand for; None where it gets the input as it is."""

    call: Call
    schema: Schema | None = None

    @classmethod
    def of(cls, handler: Handler, *, has_schema: bool = False) -> Signature:
        """Read the signature of a handler.

        Args:
            has_schema: the step has an input schema, whose result the handler gets.

        Raises:
            DefinitionError: the signature fits none of the forms, or a type has no field.
        """
        if any(item.kind is item.VAR_POSITIONAL for item in inspect.signature(handler).parameters.values()):
            return cls(_call_by_position(handler))
        parameters, context = _parameters(handler, has_schema=has_schema)
        if not parameters:
            return cls(_call(handler, context, lambda _given: {}))
        (first, *others) = parameters
        if not others and (has_schema or _is_whole(first.annotation)):
            return cls(_call(handler, context, lambda given: {first.name: given}))
        if has_schema:
            raise DefinitionError(f"{_name(handler)}: give either an input schema, or named parameters, but not both")
        if not others and dataclasses.is_dataclass(first.annotation):
            return cls(_call(handler, context, lambda given: {first.name: given}), _of_dataclass(first.annotation)())
        found = {item.name: _field(handler, item.name, item.annotation, item.default) for item in parameters}
        return cls(_call(handler, context, lambda given: given), Schema.from_dict(found)())


def _parameters(handler: Handler, *, has_schema: bool) -> tuple[list[inspect.Parameter], str | None]:
    """The parameters for the input, with resolved annotations, and the name of the one for the context."""
    try:
        hints = typing.get_type_hints(handler)
    except (NameError, TypeError):
        # An annotation that cannot be resolved, such as one under TYPE_CHECKING, says nothing.
        hints = {}
    found = [
        item.replace(annotation=hints.get(name, inspect.Parameter.empty))
        for name, item in inspect.signature(handler).parameters.items()
        if item.kind in (item.POSITIONAL_ONLY, item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY)
    ]
    context = next((item for item in found if item.annotation is StepContext or item.name == "context"), None)
    if (
        context is None
        and len(found) == 2
        and _is_whole(found[1].annotation)
        and (has_schema or _is_whole(found[0].annotation))
    ):
        # (input, context), in other words
        context = found[1]
    return [item for item in found if item is not context], None if context is None else context.name


def _call(handler: Handler, context_name: str | None, arguments: Callable[[Any], Mapping[str, Any]]) -> Call:
    positional = [
        item.name for item in inspect.signature(handler).parameters.values() if item.kind is item.POSITIONAL_ONLY
    ]

    def call(given: Any, context: StepContext) -> Any:
        named = dict(arguments(given))
        if context_name is not None:
            named[context_name] = context
        first = [named.pop(name) for name in positional if name in named]
        return handler(*first, **named)

    return call


def _call_by_position(handler: Handler) -> Call:
    """Of a wrapper that passes its arguments on: the input, and the context if it takes keywords too."""
    takes_both = any(item.kind is item.VAR_KEYWORD for item in inspect.signature(handler).parameters.values())
    return handler if takes_both else lambda given, _context: handler(given)


def _is_whole(annotation: Any) -> bool:
    origin = typing.get_origin(annotation) or annotation
    is_class = isinstance(origin, type) and not dataclasses.is_dataclass(origin)
    return origin in _WHOLE or typing.is_typeddict(annotation) or (is_class and issubclass(origin, Mapping))


def _field(handler: Handler, name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> fields.Field[Any]:
    options: dict[str, Any] = {"required": True}
    if default is not inspect.Parameter.empty:
        options = {"load_default": default}
    inner, may_be_none = _without_none(annotation)
    if may_be_none:
        options["allow_none"] = True
    return _of_type(handler, name, inner, options)


def _of_type(handler: Handler, name: str, annotation: Any, options: dict[str, Any]) -> fields.Field[Any]:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in _FIELDS:
        return _FIELDS[annotation](**options)
    if origin in (list, tuple, set, frozenset) or annotation is list:
        return fields.List(_field(handler, name, arguments[0]) if arguments else fields.Raw(), **options)
    if origin in (dict, Mapping) or annotation in (dict, Mapping):
        return fields.Dict(**options)
    if origin is Literal:
        return fields.Raw(validate=validate.OneOf(arguments), **options)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return fields.Enum(annotation, by_value=True, **options)
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        return fields.Nested(_of_dataclass(annotation), **options)
    if annotation is inspect.Parameter.empty:
        raise DefinitionError(f"{_name(handler)}: annotate the parameter {name!r} with the type of its variable")
    raise DefinitionError(f"{_name(handler)}: no variable has the type of {name!r}, {annotation!r}; use input_schema")


def _of_dataclass(kind: Any) -> type[Schema]:
    hints = typing.get_type_hints(kind)

    def default_of(item: dataclasses.Field[Any]) -> Any:
        if item.default_factory is not dataclasses.MISSING:
            return item.default_factory
        return inspect.Parameter.empty if item.default is dataclasses.MISSING else item.default

    members: dict[str, Any] = {
        item.name: _field(kind, item.name, hints[item.name], default_of(item))
        for item in dataclasses.fields(kind)
        if item.init
    }

    @post_load
    def make(_schema: Schema, data: dict[str, Any], **_: Any) -> Any:
        return kind(**data)

    meta = type("Meta", (), {"unknown": EXCLUDE})
    return type(kind.__name__, (Schema,), {**members, "make": make, "Meta": meta})


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if typing.get_origin(annotation) not in (Union, types.UnionType):
        return annotation, False
    inner = [one for one in typing.get_args(annotation) if one is not types.NoneType]
    return inner[0] if len(inner) == 1 else annotation, len(inner) < len(typing.get_args(annotation))


def _name(handler: Any) -> str:
    return f"handler {getattr(handler, '__qualname__', handler)!r}"
