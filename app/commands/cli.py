"""`flask process ...` and `flask auth ...`: the commands for ops and developers."""

from __future__ import annotations

import click
from flask import Flask
from flask.cli import AppGroup

from app.client.bulk_commands import COMMANDS as BULK
from app.client.commands import COMMANDS as CALLS
from app.client.flow_commands import COMMANDS as FLOW
from app.client.maintenance_command import COMMANDS as MAINTENANCE
from app.client.repair_commands import COMMANDS as REPAIR
from app.client.suspension_commands import COMMANDS as SUSPENSION
from app.commands.process import COMMANDS as AUTHORING
from app.security.api_keys import new_entry
from app.security.auth import SCOPES

process_cli = AppGroup("process", help="Business processes.")
for _command in (*CALLS, *FLOW, *REPAIR, *BULK, *SUSPENSION, *MAINTENANCE, *AUTHORING):
    process_cli.add_command(_command)


auth_group = AppGroup("auth", help="API keys.")


@auth_group.command("new-key")
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice(list(SCOPES)), help="Repeatable.")
def new_key(name: str, scopes: tuple[str, ...]) -> None:
    """Make an API key for NAME. It is shown only once: the settings keep its hash."""
    try:
        key, entry = new_entry(name, scopes)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    click.echo("Give this key to the caller; it is not shown again:", err=True)
    click.echo(key)
    click.echo("Add this entry to API_KEYS:", err=True)
    click.echo(entry)


def register(app: Flask) -> None:
    """Add the commands to the app."""
    app.cli.add_command(process_cli)
    app.cli.add_command(auth_group)
