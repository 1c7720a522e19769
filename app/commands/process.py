"""`flask process check`, `new`, `adopt`, `templates`, `deploy`, `definitions`, `replay`: for authors of processes."""

from __future__ import annotations

import sys
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path
from uuid import UUID

import click

from app.commands.deploy import deploy
from app.commands.exits import exit_unavailable, exit_with
from service.adoption import adopt_deployed, adopt_file
from service.catalogue import all_processes, package_faults
from service.checking import FORMATS, check_all, report
from service.deploy import definitions
from service.element_templates import FOLDER, compare, owner_keys
from service.errors import (
    AdoptionUnavailable,
    CheckError,
    DeployError,
    ReplayError,
    ScaffoldError,
    TemplatesError,
)
from service.replay import Recorded
from service.scaffold import write_process
from store.errors import DatabaseUnavailable


@click.command("check")
@click.argument("keys", nargs=-1)
@click.option("--format", "form", type=click.Choice(list(FORMATS)), help="The form of the output.  [default: text]")
@click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
@click.option("--engine", "in_engine", is_flag=True, help="Take the diagrams of the versions that run in the engine.")
def check(keys: tuple[str, ...], form: str | None, as_json: bool, in_engine: bool) -> None:
    """Compare the BPMN files with the code, for the processes KEYS or for all.

    Needs no engine, broker or database. A process that others deploy has no file: check it with --engine, which takes
    the newest version of each process, and every version with running instances. The exit code is 1 if there is a
    fault.

    The format github makes annotations in a GitHub workflow; editors and code scanning read sarif.
    """
    if as_json and form not in (None, "json"):
        raise click.UsageError(f"--json is short for --format json, so it cannot go with --format {form}")
    form = "json" if as_json else form or "text"
    _refuse_unknown(keys, "process", [process.key for process in all_processes()])
    try:
        # A package that could not be loaded has no key.
        found = [finding for finding in check_all(in_engine=in_engine) if not keys or finding.process in ("", *keys)]
    except CheckError as error:
        exit_unavailable(error)
    faults = [finding for finding in found if finding.excuse is None]
    if output := report(found, form):
        click.echo(output)
    if form in ("text", "github"):
        count = len([process for process in all_processes() if in_engine or process.file is not None])
        click.echo(f"{count} processes, {len(faults)} faults, {len(found) - len(faults)} excused", err=True)
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
    click.echo(f"{folder}\nNext: {_tests_of(folder)}; flask process check {key}; make run")


@click.command("adopt")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option("--from-engine", "key", help="Key of a process in the engine, instead of a file.")
@click.option("--package", default="processes", show_default=True, help="Package that gets the new process.")
def adopt(file: Path | None, key: str | None, package: str) -> None:
    """Write a package for a process that exists: from the BPMN FILE, or from the engine.

    The package has the diagram with the decisions, scripts and forms that it uses, a handler for each topic, schemas
    with the variables that the diagram shows, and a test of each way with results in place of the handlers. The diagram
    stays as it is. Overwrites no file.
    """
    if (file is None) == (key is None):
        raise click.UsageError("give either a FILE or --from-engine KEY")
    taken = {process.key for process in all_processes()}
    try:
        done = adopt_file(file, package, taken) if file is not None else adopt_deployed(key or "", package, taken)
    except ScaffoldError as error:
        raise click.ClickException(str(error)) from None
    except AdoptionUnavailable as error:
        exit_unavailable(error)
    click.echo(done.folder)
    for process, steps in done.steps.items():
        click.echo(f"{process}: {len(steps)} steps: {', '.join(steps) or 'none'}")
    if done.shared:
        click.echo(f"run by workers of this installation: {', '.join(done.shared)}")
    click.echo(f"{done.ways} tests\nNext: {_tests_of(done.folder)}; flask process check; write the handlers")


@click.command("templates")
@click.argument("keys", nargs=-1)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=FOLDER, show_default=True, help="The folder."
)
@click.option("--all-outputs", is_flag=True, help="Map every output, so that each can get another name.")
@click.option("--check", "only_check", is_flag=True, help="Write nothing; the exit code is 1 if a file would change.")
def templates(keys: tuple[str, ...], out: Path, all_outputs: bool, only_check: bool) -> None:
    """Write an element template for each step, of the processes and workers KEYS or of all.

    The Camunda Modeler finds the default folder from every diagram in or below the current folder. A template whose
    step has changed gets a new version, and the file of a step that is gone is removed. Commit the folder, because the
    older versions in it are needed for updates. Needs no engine, broker or database.
    """
    _refuse_unknown(keys, "process or worker", owner_keys())
    done = compare(out, keys, all_outputs=all_outputs)
    changes = [file for file in done.files if file.state != "unchanged"]
    for file in changes:
        click.echo(f"{file.path}: {file.state}" + (f", version {file.version}" if file.version else ""))
        if not only_check:
            try:
                file.write()
            except TemplatesError as error:
                raise click.ClickException(str(error)) from None
    click.echo(f"{len(done.files)} templates, {len(changes)} {'differ' if only_check else 'written'}", err=True)
    exit_with(done.faults)
    if only_check and changes:
        sys.exit(1)


@click.command("definitions")
def list_definitions() -> None:
    """List the registered processes: version in the engine, state of the BPMN file here, running instances."""
    try:
        found = definitions()
    except DeployError as error:
        exit_unavailable(error)
    width = max([len("process"), *(len(item.key) for item in found)])
    click.echo(f"{'process':<{width}}  version  file        running")
    for item in found:
        click.echo(f"{item.key:<{width}}  {item.version or '-':>7}  {item.file:<10}  {item.running:>7}")
    exit_with(package_faults())


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


def _tests_of(folder: Path) -> str:
    """The command that runs the tests of a package. `make run` installs no pytest, `make setup-dev` does."""
    return f"{'' if find_spec('pytest') else 'make setup-dev; '}pytest {folder}"


def _refuse_unknown(keys: tuple[str, ...], what: str, known: Collection[str]) -> None:
    for key in keys:
        if key not in known:
            raise click.BadParameter(
                f"no {what} has the key {key!r}; the keys are: {', '.join(known) or 'none'}", param_hint="KEYS"
            )


COMMANDS: tuple[click.Command, ...] = (check, new, adopt, templates, deploy, list_definitions, replay)
