"""`flask process deploy`: deploys what has changed, or shows what would change."""

from __future__ import annotations

import json
import sys

import click

from app.commands.exits import exit_unavailable, exit_with
from service.deploy import Deployed, definitions, deploy_all
from service.deploy_plan import Plan, plan_all
from service.deploy_report import plan_document, plan_lines, unhandled_lines
from service.errors import DeployError


@click.command("deploy")
@click.option("--dry-run", is_flag=True, help="Deploy nothing. Show what would change, element by element.")
@click.option("--json", "as_json", is_flag=True, help="With --dry-run: print a JSON document.")
@click.option("--exit-code", is_flag=True, help="With --dry-run: the exit code is 1 if anything would be deployed.")
@click.option("--strict", is_flag=True, help="Deploy nothing if a step has no handler; the exit code is 1 then.")
def deploy(*, dry_run: bool, as_json: bool, exit_code: bool, strict: bool) -> None:
    """Deploy the packages of which a file has changed to the engine.

    Before anything is deployed, warnings name the steps that the code does not handle: those of the new diagrams, and
    those of older versions with running instances.

    A package or file that is invalid does not keep the others from being deployed; the exit code is 1 then. It is 7 if
    the engine is unavailable.
    """
    if not dry_run and (as_json or exit_code):
        raise click.UsageError(f"{'--json' if as_json else '--exit-code'} needs --dry-run")
    try:
        plan = plan_all()
        if dry_run:
            _show(plan, as_json=as_json)
        else:
            for line in unhandled_lines(plan):
                click.echo(f"Warning: {line}", err=True)
        if strict and plan.has_unhandled:
            exit_with([*plan.faults, "a step has no handler; with --strict nothing is deployed"])
        if dry_run:
            exit_with(plan.faults)
            sys.exit(1 if exit_code and plan.is_changed else 0)
        _deploy()
    except DeployError as error:
        exit_unavailable(error)


def _show(plan: Plan, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(plan_document(plan), ensure_ascii=False, indent=2))
    for line in () if as_json else plan_lines(plan):
        click.echo(line)


def _deploy() -> None:
    before = {item.key: item for item in definitions()}
    done = deploy_all()
    after = {item.key: item for item in definitions()}
    for key, news in done.new.items():
        click.echo(_change(before[key], after[key]) if news else f"{key}: unchanged, version {after[key].version}")
    exit_with(done.faults)


def _change(before: Deployed, after: Deployed) -> str:
    return f"{after.key}: deployed version {after.version}" + (f", before {before.version}" if before.version else "")
