"""A process whose first step is a worker's."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields

from camunda_bridge import define_process


class Notify(Schema):
    """What a start needs."""

    address = fields.Email(required=True)


process = define_process("notifies", start_schema=Notify, example={"address": "ada@example.org"})


@process.step("respond", topic="notifies-answer", outcome="ok")
def respond(given: dict[str, Any]) -> dict[str, Any]:
    """What the worker said."""
    return {"mailed": given["mailed"]}
