"""Writes a package for a process that exists already: from its BPMN file, or from the engine."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from lxml import etree

from camunda_bridge.bpmn import BPMN, Diagram, parse_xml, process_ids, read_diagram
from camunda_bridge.errors import BridgeError, DefinitionError, EngineUnavailable
from camunda_bridge.package import BPMN_SUFFIXES, DMN_SUFFIXES, FORM_SUFFIXES, references_of
from service.adoption import writing
from service.adoption.sketch import ProcessSketch, sketch
from service.adoption.trials import Trial, trials
from service.errors import AdoptionUnavailable, ScaffoldError
from service.scaffold import folder_of, write_folder
from tasks.processes import registry
from tasks.runtime import runtime


@dataclass(frozen=True, slots=True)
class Adopted:
    """What was written.

    Attributes:
        folder: the new package.
        steps: process key -> names of its steps.
        ways: the number of tests.
        shared: topics that a worker of this installation has, which got no step.
    """

    folder: Path
    steps: dict[str, list[str]]
    ways: int
    shared: list[str]


def adopt_file(path: Path, package: str, taken: Collection[str]) -> Adopted:
    """Write a package for the executable processes of a BPMN file, with the files that they use.

    Args:
        package: the package that gets the folder.
        taken: keys of the processes that exist.

    Raises:
        ScaffoldError: the file has no executable process or a taken key, or the folder exists or cannot be written.
    """
    try:
        content = path.read_bytes()
        root = parse_xml(content)
    except (OSError, DefinitionError) as error:
        raise ScaffoldError(f"{path}: {error}") from error
    if not process_ids(root):
        raise ScaffoldError(f'{path}: no process of the file is executable; set isExecutable="true"')
    files = {path.name: content}
    _add_used(files, root, path.parent, set(taken))
    return _write(files, path.name, None, package, taken)


def adopt_deployed(key: str, package: str, taken: Collection[str]) -> Adopted:
    """Write a package for the newest version of a process in the engine, with all files of its deployment.

    Raises:
        AdoptionUnavailable: the engine is unavailable.
        ScaffoldError: the engine has no such process, its key is taken, or the folder exists or cannot be written.
    """
    engine = runtime().engine
    try:
        newest = engine.newest_definitions([key]).get(key)
        if newest is None:
            raise ScaffoldError(f"the engine has no process {key!r}")
        files = engine.deployment_files(newest["deploymentId"])
    except EngineUnavailable as error:
        raise AdoptionUnavailable(str(error)) from error
    except BridgeError as error:
        raise ScaffoldError(str(error)) from error
    return _write(files, newest["resource"], key, package, taken)


def _write(files: dict[str, bytes], first: str, only: str | None, package: str, taken: Collection[str]) -> Adopted:
    """Write a package. `first`: the BPMN file that names it. `only`: the process that gets steps; None for all."""
    if not first.endswith(BPMN_SUFFIXES):
        # The engine would not recognise the file.
        files[f"{first}.bpmn"] = files.pop(first)
        first = f"{first}.bpmn"
    shared = set(registry.shared)
    names = [first, *(name for name in files if name.endswith(BPMN_SUFFIXES) and name != first)]
    processes = [
        sketch(_diagram(files[name], key), name, shared=shared)
        for name in names
        for key in process_ids(parse_xml(files[name]))
        if only in (None, key)
    ]
    for process in processes:
        if process.diagram.key in taken:
            raise ScaffoldError(f"there is a process {process.diagram.key!r} already")
    name = _module(processes[0].diagram.key)
    found: dict[str, list[Trial]] = {process.diagram.key: trials(process) for process in processes}
    full = f"{package}.{name}"
    written: dict[str, str | bytes] = {
        **files,
        "__init__.py": f'"""The process `{processes[0].diagram.key}`."""\n',
        "steps.py": writing.steps(processes, full),
        "tests/__init__.py": "",
    }
    if "schemas." in str(written["steps.py"]):
        written["schemas.py"] = writing.schemas(processes)
    for process in [process for process in processes if found[process.diagram.key]]:
        variable = writing.variable_of(process, processes)
        module = f"tests/test_{_module(process.diagram.key)}.py"
        written[module] = writing.tests(process, variable, full, found[process.diagram.key])
    return Adopted(
        write_folder(folder_of(package), name, written),
        {process.diagram.key: [step.name for step in process.steps] for process in processes},
        sum(map(len, found.values())),
        sorted({topic for process in processes for topic in process.diagram.topics.values()} & shared),
    )


def _diagram(content: bytes, key: str) -> Diagram:
    try:
        return read_diagram(content, key)
    except DefinitionError as error:
        raise ScaffoldError(str(error)) from error


def _module(key: str) -> str:
    name = re.sub(r"\W+", "_", key).strip("_").lower() or "process"
    return f"process_{name}" if name[0].isdigit() else name


def _add_used(files: dict[str, bytes], root: etree._Element, folder: Path, taken: set[str]) -> None:
    """Add the scripts, forms, decision tables and called processes of a folder that a diagram uses."""
    for name in sorted({name for element in root.iter() for name in references_of(element)}):
        if (folder / name).is_file():
            files[name] = (folder / name).read_bytes()
    keys = {str(value) for element in root.iter() for name, value in element.attrib.items() if _is_key(str(name))}
    called = {element.get("calledElement", "") for element in root.iter(BPMN + "callActivity")} - taken
    for path in sorted(folder.iterdir()):
        if path.name in files or not path.is_file():
            continue
        if path.name.endswith(DMN_SUFFIXES + FORM_SUFFIXES) and keys & set(_ids(path)):
            files[path.name] = path.read_bytes()
        elif path.name.endswith(BPMN_SUFFIXES) and called & set(_ids(path)):
            other = parse_xml(path.read_bytes())
            if called & set(process_ids(other)):
                files[path.name] = path.read_bytes()
                _add_used(files, other, folder, taken)


def _is_key(attribute: str) -> bool:
    return attribute.endswith(("}decisionRef", "}formRef"))


def _ids(path: Path) -> Iterable[str]:
    # A form is JSON, a decision table XML; both name their ids in the same way, with other quotes and separators.
    return re.findall(r"""\bid"?\s*[=:]\s*["']([^"']+)["']""", path.read_text("utf-8", "replace"))


__all__ = ["Adopted", "ProcessSketch", "adopt_deployed", "adopt_file"]
