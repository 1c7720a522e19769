"""How the commands for authors of processes end when something is wrong."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from app.client.exit_codes import ExitCode
from service.errors import ServiceError


def exit_unavailable(error: ServiceError) -> NoReturn:
    """End because the engine is unavailable."""
    click.echo(f"Error: {error}", err=True)
    sys.exit(ExitCode.UNAVAILABLE)


def exit_with(faults: Sequence[str]) -> None:
    """Print the faults; end with exit code 1 if there are any."""
    for fault in faults:
        click.echo(f"Error: {fault}", err=True)
    if faults:
        sys.exit(1)
