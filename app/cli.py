"""`flask process ...` and `flask auth ...`: what ops and developers do from a shell."""

from __future__ import annotations

import click
from flask import Flask
from flask.cli import AppGroup

from app.api_keys import new_entry
from app.auth import SCOPES
from app.process_commands import COMMANDS
from tasks.deploy import DeployError, deploy_all
from tasks.health import unhandled_topics

group = AppGroup("process", help="Business processes.")


@group.command("deploy")
def deploy() -> None:
    """Deploy the BPMN files to the engine; what has not changed is left alone."""
    try:
        for key, news in deploy_all().items():
            click.echo(f"{key}: {'deployed ' + ', '.join(news) if news else 'unchanged'}")
    except DeployError as error:
        raise click.ClickException(str(error)) from None
    for key, topics in unhandled_topics().items():
        click.echo(f"{key}: no handler for {', '.join(topics)}; these topics are not fetched", err=True)


auth_group = AppGroup("auth", help="API keys.")


@auth_group.command("new-key")
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice(list(SCOPES)), help="Repeatable.")
def new_key(name: str, scopes: tuple[str, ...]) -> None:
    """Make an API key for NAME; it is shown once, the settings keep its hash."""
    try:
        key, entry = new_entry(name, scopes)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    click.echo("The key, for the caller; it is shown this once:", err=True)
    click.echo(key)
    click.echo("Add this entry to API_KEYS:", err=True)
    click.echo(entry)


def register(app: Flask) -> None:
    """Add the commands to the app."""
    for command in COMMANDS:
        group.add_command(command)
    app.cli.add_command(group)
    app.cli.add_command(auth_group)
