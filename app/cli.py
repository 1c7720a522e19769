"""`flask process ...`: what ops and developers do from a shell."""

from __future__ import annotations

import click
from flask import Flask
from flask.cli import AppGroup

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


def register(app: Flask) -> None:
    """Add the commands to the app."""
    app.cli.add_command(group)
