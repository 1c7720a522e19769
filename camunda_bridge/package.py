"""The folder of a process with everything in it: one deployment.

A deployment has the BPMN, DMN and form files of the folder and of the folders in it, and every other file that a
diagram names with `deployment:`, such as a script or an HTML form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lxml import etree

from camunda_bridge.bpmn import parse_xml, process_ids
from camunda_bridge.errors import DefinitionError

#: ends of the names by which the engine recognises files: BpmnDeployer, DecisionDefinitionDeployer,
#: CamundaFormDefinitionDeployer
BPMN_SUFFIXES = (".bpmn", ".bpmn20.xml")
DMN_SUFFIXES = (".dmn", ".dmn11.xml")
FORM_SUFFIXES = (".form",)
#: a name of a file in an attribute of a diagram: `deployment://a.js`, `embedded:deployment:a.html`
_REFERENCE = re.compile(r"\bdeployment:(?://)?(?P<path>[^\s:$#{}]+)\Z")


@dataclass(frozen=True)
class Package:
    """The files of a folder. `folder`: that of the BPMN files."""

    folder: Path

    def fault(self) -> str:
        """What is wrong with a file that is deployed; empty if nothing is."""
        try:
            _ = self.files, self.processes, self.decisions
        except DefinitionError as error:
            return str(error)
        return ""

    @cached_property
    def files(self) -> dict[str, bytes]:
        """The files of its deployment: path from the folder, with `/`, and content.

        Raises:
            DefinitionError: a file cannot be read, or a diagram isn't XML.
        """
        named = [*self._found(BPMN_SUFFIXES + DMN_SUFFIXES + FORM_SUFFIXES)]
        found = {name: self._read(name) for name in named}
        for name in sorted(self.references):
            if name not in found and (self.folder / name).is_file():
                found[name] = self._read(name)
        return found

    @cached_property
    def processes(self) -> dict[str, str | None]:
        """The executable processes of its BPMN files, with their version tags: the engine makes definitions of them.

        Raises:
            DefinitionError: a BPMN file cannot be read, or isn't XML.
        """
        roots = [self._parsed(name) for name in self._found(BPMN_SUFFIXES)]
        keys = {key for root in roots for key in process_ids(root)}
        return {key: tag for root in roots for key, tag in _tags(root, "process") if key in keys}

    @cached_property
    def decisions(self) -> dict[str, str | None]:
        """The decisions of its DMN files: keys and version tags.

        Raises:
            DefinitionError: a DMN file cannot be read, or isn't XML.
        """
        roots = [self._parsed(name) for name in self._found(DMN_SUFFIXES)]
        return {key: tag for root in roots for key, tag in _tags(root, "decision")}

    @cached_property
    def references(self) -> set[str]:
        """The files that its diagrams name with `deployment:`.

        Raises:
            DefinitionError: a BPMN file cannot be read, or isn't XML.
        """
        roots = [self._parsed(name) for name in self._found(BPMN_SUFFIXES)]
        return {name for root in roots for element in root.iter() for name in references_of(element)}

    def _found(self, suffixes: tuple[str, ...]) -> Iterator[str]:
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            if name.endswith(suffixes) and path.is_file() and not any(part.startswith(".") for part in name.split("/")):
                yield name

    def _parsed(self, name: str) -> etree._Element:
        try:
            return parse_xml(self._read(name))
        except DefinitionError as error:
            raise DefinitionError(f"{name}: {error}") from None

    def _read(self, name: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise DefinitionError(f"{name}: {error.strerror}") from None


def _tags(root: etree._Element, name: str) -> Iterator[tuple[str, str | None]]:
    for item in root.iter(f"{{*}}{name}"):
        # DMN has namespaces of its own for the attributes of an engine.
        tags = [str(value) for key, value in item.attrib.items() if str(key).endswith("}versionTag")]
        yield item.get("id", ""), next(iter(tags), None)


def references_of(element: etree._Element) -> list[str]:
    """The files that the attributes of an element name with `deployment:`."""
    found = [_REFERENCE.search(str(value)) for value in element.attrib.values()]
    return [match["path"] for match in found if match is not None]
