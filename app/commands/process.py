"""`flask process check`, `new`, `deploy`, `definitions` and `replay`: the commands for authors of processes."""

from __future__ import annotations

import json
import sys
from uuid import UUID

import click

from service.catalogue import all_processes
from service.checking import check_all
from service.deploy import Deployed, definitions, deploy_all
from service.errors import DeployError, ReplayError, ScaffoldError
from service.replay import Recorded
from service.scaffold import write_process
from store.errors import DatabaseUnavailable
from tasks.topics.unhandled import unhandled_topics


@click.command("check")
@click.argument("keys", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
def check(keys: tuple[str, ...], as_json: bool) -> None:
    """Compare the BPMN files with the code, for the processes KEYS or for all.

    Needs no engine, broker or database. The exit code is 1 if there is a fault.
    """
    _refuse_unknown(keys)
    found = [finding for finding in check_all() if not keys or finding.process in keys]
    faults = [finding for finding in found if finding.excuse is None]
    excused = [finding for finding in found if finding.excuse is not None]
    if as_json:
        documents = {"faults": faults, "excused": excused}
        click.echo(json.dumps({name: [it.document() for it in items] for name, items in documents.items()}, indent=2))
    else:
        for finding in faults + excused:
            click.echo(str(finding))
        count = len(keys or all_processes())
        click.echo(f"{count} processes, {len(faults)} faults, {len(excused)} excused", err=True)
    if faults:
        sys.exit(1)


@click.command("new")
@click.argument("key")
@click.option("--package", default="processes", show_default=True, help="Package that gets the new process.")
def new(key: str, package: str) -> None:
    """Write a new process KEY, such as order-fulfilment: BPMN file, schemas, steps, and tests that pass.

    Needs no engine, broker or database, and overwrites no file.
    """
    try:
        folder = write_process(key, package, {process.key for process in all_processes()})
    except ScaffoldError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{folder}\nNext: pytest {folder}; flask process check {key}; make run")


@click.command("deploy")
def deploy() -> None:
    """Deploy the BPMN files that have changed to the engine."""
    try:
        before = {item.key: item for item in definitions()}
        done = deploy_all()
        after = {item.key: item for item in definitions()}
    except DeployError as error:
        raise click.ClickException(str(error)) from None
    for key, news in done.items():
        click.echo(_change(before[key], after[key]) if news else f"{key}: unchanged, version {after[key].version}")
    for key, topics in unhandled_topics().items():
        click.echo(f"{key}: no handler for {', '.join(topics)}, the tasks of these topics are not fetched", err=True)


@click.command("definitions")
def list_definitions() -> None:
    """List the registered processes: version in the engine, state of the BPMN file here, running instances."""
    try:
        found = definitions()
    except DeployError as error:
        raise click.ClickException(str(error)) from None
    width = max([len("process"), *(len(item.key) for item in found)])
    click.echo(f"{'process':<{width}}  version  file        running")
    for item in found:
        click.echo(f"{item.key:<{width}}  {item.version or '-':>7}  {_state(item):<10}  {item.running:>7}")


@click.command("replay")
@click.argument("execution_id", type=click.UUID)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def replay(execution_id: UUID, yes: bool) -> None:
    """Run the step of event EXECUTION_ID again with its recorded input, and show how its outcome differs.

    Nothing is reported to the engine or written to the database. External effects of the handler are real.
    """
    try:
        recorded = Recorded.find(execution_id)
        click.echo(
            f"{recorded.step.topic} of {recorded.event.correlation_id}: external effects of the handler are real",
            err=True,
        )
        if recorded.redacted:
            names = ", ".join(recorded.redacted)
            click.echo(f"the event has no value of {names}: the handler gets '[redacted]' instead", err=True)
        if not yes:
            click.confirm("Run the step again?", abort=True, err=True)
        difference = recorded.run()
    except (ReplayError, DatabaseUnavailable) as error:
        raise click.ClickException(str(error)) from None
    click.echo("\n".join(difference) if difference else "the same outcome as recorded")


def _change(before: Deployed, after: Deployed) -> str:
    return f"{after.key}: deployed version {after.version}" + (f", before {before.version}" if before.version else "")


def _state(item: Deployed) -> str:
    if not item.version:
        return "missing"
    return "changed" if item.changed else "deployed"


def _refuse_unknown(keys: tuple[str, ...]) -> None:
    known = [process.key for process in all_processes()]
    for key in keys:
        if key not in known:
            raise click.BadParameter(
                f"no process has the key {key!r}; the keys are: {', '.join(known) or 'none'}", param_hint="KEYS"
            )


COMMANDS: tuple[click.Command, ...] = (check, new, deploy, list_definitions, replay)
