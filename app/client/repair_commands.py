"""Commands of `flask process` that repair processes, through the API: `rerun`, `variables`."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import click

from app.client.commands import Caller, calls_the_api, json_object


@click.command("rerun")
@click.argument("correlation_id")
@click.option("--variables", callback=json_object, help="The edited input: JSON, @file, or @- for standard input.")
@click.option("--new-id", help="Correlation id of the new process; makes the call idempotent. Default: a new one.")
@click.option("--dry-run", is_flag=True, help="Only print what would start.")
@click.option("--wait", "wait_s", default=25, type=click.IntRange(0), help="Seconds to wait for the end (25).")
@calls_the_api
def rerun(
    caller: Caller,
    correlation_id: str,
    variables: dict[str, Any] | None,
    new_id: str | None,
    dry_run: bool,
    wait_s: int,
) -> None:
    """Run an ended process again as a new one, and wait for its result."""
    until = time.monotonic() + wait_s
    if new_id is None and not dry_run:
        # So a call whose answer was lost can be sent again.
        new_id = str(uuid.uuid4())
    given = {"correlationId": new_id, "variables": variables, "dryRun": dry_run or None}
    body = {name: value for name, value in given.items() if value is not None}
    reply = caller.api.post(correlation_id, "rerun", body=body, wait_s=wait_s)
    if dry_run and not reply.is_problem:
        caller.show(reply.body, json.dumps(reply.body["wouldStart"], ensure_ascii=False, indent=2))
        return
    caller.end_with(caller.wait(reply, new_id or "", until))


@click.command("variables")
@click.argument("correlation_id")
@click.option("--set", "changes", callback=json_object, help="Variables to set: JSON, @file, or @- for standard input.")
@click.option("--dry-run", is_flag=True, help="Only check, and print what --set would change.")
@calls_the_api
def variables(caller: Caller, correlation_id: str, changes: dict[str, Any] | None, dry_run: bool) -> None:
    """Print the variables of a running process, or set some; a variable keeps its type."""
    if changes is None:
        if dry_run:
            raise click.UsageError("--dry-run needs --set")
        reply = caller.api.get(correlation_id, "variables")
        lines = [_variable(item) for item in reply.body.get("variables", ())]
    else:
        reply = caller.api.patch(correlation_id, "variables", body={"variables": changes, "dryRun": dry_run})
        lines = [
            f"{_variable(item['before']) if item['before'] else item['name'] + ' (new)'} -> {_value(item['after'])}"
            for item in reply.body.get("changes", ())
        ]
    if reply.is_problem:
        caller.end_with(reply)
    caller.show(reply.body, "\n".join(lines))


def _variable(item: dict[str, Any]) -> str:
    return f"{item['name']} ({item['type']}): {_value(item)}"


def _value(item: dict[str, Any]) -> str:
    return json.dumps(item["value"], ensure_ascii=False)


COMMANDS = (rerun, variables)
