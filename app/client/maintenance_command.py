"""`flask process maintenance`: begin, end or show maintenance, through the API."""

from __future__ import annotations

from typing import Any

import click

from app.client.commands import Caller, calls_the_api
from app.client.reply import Reply
from store.maintenance import HOLD, REFUSE


@click.group("maintenance")
def maintenance() -> None:
    """Let no process and no step begin for a while."""


@maintenance.command("on")
@click.option("--reason", required=True, help="Clients and operators read it.")
@click.option(
    "--starts",
    type=click.Choice([REFUSE, HOLD]),
    default=REFUSE,
    help="`refuse` new starts with 503, or accept and `hold` them until the end (refuse).",
)
@click.option("--until", metavar="TIME", help="When you expect the end: 2026-01-01T06:00:00Z. It ends only with `off`.")
@calls_the_api
def on(caller: Caller, reason: str, starts: str, until: str | None) -> None:
    """Begin maintenance, or change it; running steps end."""
    _show(caller, caller.api.put("maintenance", body={"reason": reason, "starts": starts, "until": until}))


@maintenance.command("off")
@calls_the_api
def off(caller: Caller) -> None:
    """End maintenance: held starts and waiting steps begin."""
    _show(caller, caller.api.delete("maintenance"))


@maintenance.command("status")
@calls_the_api
def status(caller: Caller) -> None:
    """Show whether the service is in maintenance."""
    _show(caller, caller.api.get("maintenance"))


def _show(caller: Caller, reply: Reply) -> None:
    if reply.is_problem:
        caller.end_with(reply)
    caller.show(reply.body, _line(reply.body))


def _line(found: dict[str, Any]) -> str:
    if not found["on"]:
        return "no maintenance"
    starts = "refused" if found["starts"] == REFUSE else "held"
    until = f", until about {found['until']}" if found["until"] else ""
    since = f"maintenance since {found['since']} by {found['changedBy']}{until}"
    return f"{since}: {found['reason']}; new starts are {starts}"


COMMANDS = (maintenance,)
