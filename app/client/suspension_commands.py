"""`flask process suspend` and `unsuspend`: one process, or a process definition with all its instances, by the API."""

from __future__ import annotations

import click

from app.client.commands import Caller, calls_the_api, end_well_with
from app.client.reply import Reply


@click.command("suspend")
@click.argument("correlation_id", required=False)
@click.option("--definition", metavar="KEY", help="Suspend all versions of this process and their instances instead.")
@click.option("--reason", help="The event log shows it.")
@calls_the_api
def suspend(caller: Caller, correlation_id: str | None, definition: str | None, reason: str | None) -> None:
    """Suspend a process, so that nothing in it goes on."""
    path = _suspended(correlation_id, definition)
    _show_suspension(caller, caller.api.post(*path, "suspend", body={"reason": reason} if reason else {}))


@click.command("unsuspend")
@click.argument("correlation_id", required=False)
@click.option("--definition", metavar="KEY", help="Resume all versions of this process and their instances instead.")
@calls_the_api
def unsuspend(caller: Caller, correlation_id: str | None, definition: str | None) -> None:
    """Resume a suspended process."""
    _show_suspension(caller, caller.api.post(*_suspended(correlation_id, definition), "resume", body={}))


def _suspended(correlation_id: str | None, definition: str | None) -> tuple[str, ...]:
    if (correlation_id is None) == (definition is None):
        raise click.UsageError("give CORRELATION_ID or --definition, one of them")
    return (correlation_id,) if correlation_id is not None else ("definitions", str(definition))


def _show_suspension(caller: Caller, reply: Reply) -> None:
    if "versions" not in reply.body:
        end_well_with(caller, reply)
    state = "suspended" if reply.body["suspended"] else "resumed"
    caller.show(reply.body, f"{reply.body['processKey']}: {state}, {reply.body['versions']} versions")


COMMANDS = (suspend, unsuspend)
