"""`flask process incidents`, `retry-all`, `cancel-all`: many processes, by groups and filters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import click

from app.client.commands import Caller, calls_the_api, json_object
from app.client.exit_codes import ExitCode

Command = Callable[..., None]

#: seconds that the server may work on one page, beyond an ordinary answer: the time after which it begins no further
#: process, and a slow engine's calls for the last one
PAGE_S = 60.0


def _filtered(command: Command) -> Command:
    for option in reversed(
        [
            click.option("--process", "processKey", metavar="KEY", help="Only processes with this key."),
            click.option(
                "--since", "startedAfter", metavar="TIME", help="Started at this time or later: 2026-01-01T00:00:00Z."
            ),
            click.option("--before", "startedBefore", metavar="TIME", help="Started before this time."),
            click.option("--error", "errorContains", metavar="TEXT", help="Text that the error message contains."),
            click.option("--step", metavar="ID", help="Only with an incident at this element."),
            click.option("--group", metavar="ID", help="Only this group of `flask process incidents`."),
            click.option("--id", "correlationIds", metavar="ID", multiple=True, help="Only this one; may be repeated."),
            click.option("--dry-run", is_flag=True, help="Only list and count the processes."),
            click.option("--yes", is_flag=True, help="Do not ask for confirmation."),
        ]
    ):
        command = option(command)
    return calls_the_api(command)


@click.command("incidents")
@click.option("--process", "process_key", metavar="KEY", help="Only of this process.")
@click.option("--step", metavar="ID", help="Only at this element.")
@calls_the_api
def incidents(caller: Caller, process_key: str | None, step: str | None) -> None:
    """List the open incidents in groups by their cause, the largest first."""
    reply = caller.api.get("incidents", query={"processKey": process_key, "step": step})
    if reply.is_problem:
        caller.end_with(reply)
    caller.show(reply.body, "\n".join(_group_line(group) for group in reply.body["groups"]))
    click.echo(f"{reply.body['count']} open incidents in {len(reply.body['groups'])} groups", err=True)


@click.command("retry-all")
@click.option("--variables", callback=json_object, help="Variables that each gets before: JSON, @file, or @-.")
@_filtered
def retry_all(caller: Caller, dry_run: bool, yes: bool, **named: Any) -> None:
    """Retry every process that has an open incident and matches."""
    _run(caller, "retry", named, dry_run=dry_run, yes=yes)


@click.command("cancel-all")
@click.option("--status", type=click.Choice(["pending", "error"]), help="`error`: with an open incident.")
@click.option("--reason", help="The message of each process's error.")
@_filtered
def cancel_all(caller: Caller, dry_run: bool, yes: bool, **named: Any) -> None:
    """Cancel every process that runs, or has an open incident, and matches."""
    _run(caller, "cancel", named, dry_run=dry_run, yes=yes)


def _run(caller: Caller, what: str, named: dict[str, Any], *, dry_run: bool, yes: bool) -> None:
    body = {name: list(value) if isinstance(value, tuple) else value for name, value in named.items() if value}
    if dry_run or not yes:
        matches = 0
        for answer in _pages(caller, what, {**body, "dryRun": True}):
            matches += len(answer["processes"])
            _show_page(caller, answer, show=dry_run)
        click.echo(f"{matches} processes match", err=True)
        if dry_run or not matches:
            return
        click.confirm(f"{what.capitalize()} them?", abort=True, err=True)
    done = refused = 0
    for answer in _pages(caller, what, {**body, "dryRun": False}):
        done, refused = done + answer["done"], refused + answer["refused"]
        _show_page(caller, answer, show=True)
        if answer["stopped"]:
            click.echo(f"{done} done, {refused} refused, stopped: {answer['stopped']}", err=True)
            raise SystemExit(ExitCode.UNAVAILABLE)
    click.echo(f"{done} done, {refused} refused", err=True)


def _pages(caller: Caller, what: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    while True:
        reply = caller.api.post("bulk", what, body=body, work_s=PAGE_S)
        if reply.is_problem:
            caller.end_with(reply)
        yield reply.body
        if (cursor := reply.body["nextCursor"]) is None:
            return
        body = {**body, "cursor": cursor}


def _show_page(caller: Caller, answer: dict[str, Any], *, show: bool) -> None:
    if show and (caller.as_json or answer["processes"]):
        caller.show(answer, "\n".join(_line(item) for item in answer["processes"]))


def _group_line(group: dict[str, Any]) -> str:
    version = "" if group["version"] is None else f" v{group['version']}"
    at = f" {group['step']}" if group["step"] else ""
    kind = f"{group['errorType']}: " if group["errorType"] else ""
    what = f"{group['processKey']}{version}{at}: {kind}{group['message']}"
    return f"{group['count']:>6} {group['id']}  {what} (last {group['last']})"


def _line(item: dict[str, Any]) -> str:
    note = item["detail"] or item["message"]
    return f"{item['outcome']:<8} {item['startedAt']}  {item['correlationId']}" + (f": {note}" if note else "")


COMMANDS = (incidents, retry_all, cancel_all)
