"""Keep the folder of element templates as the code has them, for `flask process templates`.

A file has all versions of the template of one step, the newest first. The Modeler offers an update for an element whose
version is older than the newest one, but only if the folder still has the older version too.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from camunda_bridge.element_templates import Json, template_of
from service.errors import TemplatesError
from tasks.processes import registry

#: where the Camunda Modeler looks, in the folder of a diagram and in all folders above it
FOLDER = Path(".camunda/element-templates")
#: member of `metadata` that marks a template of this command; its value is the key of the process or worker
MARK = "celery-camunda"

State = Literal["new", "changed", "unchanged", "removed"]


@dataclass(frozen=True, slots=True)
class TemplateFile:
    """The file of one step.

    Attributes:
        state: how the file differs from the code.
        versions: what the file shall contain, the newest version first; empty if the file shall go.
    """

    path: Path
    state: State
    versions: list[Json]

    @property
    def version(self) -> int | None:
        """The newest version; None if the file shall go."""
        return self.versions[0]["version"] if self.versions else None

    def write(self) -> None:
        """Write or remove the file.

        Raises:
            TemplatesError: the file or its folder cannot be written.
        """
        try:
            if self.state == "removed":
                self.path.unlink(missing_ok=True)
            elif self.state != "unchanged":
                self.path.parent.mkdir(parents=True, exist_ok=True)
                # The Modeler never reads half a file.
                draft = self.path.with_name(f".{self.path.name}.draft")
                draft.write_text(json.dumps(self.versions, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
                draft.replace(self.path)
        except OSError as error:
            raise TemplatesError(f"{self.path} cannot be written: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class Templates:
    """The files of all steps, and what stands in the way: one line for each fault."""

    files: list[TemplateFile]
    faults: list[str]


def owner_keys() -> list[str]:
    """The keys of the processes and workers that may have templates."""
    return sorted(owner.key for owner in registry.owners)


def compare(folder: Path, keys: Collection[str] = (), *, all_outputs: bool = False) -> Templates:
    """Compare a folder with the code. Writes nothing.

    Args:
        keys: the processes and workers whose files are compared; empty for all.
        all_outputs: map every output; see :func:`camunda_bridge.element_templates.template_of`.
    """
    found: list[TemplateFile] = []
    faults = [f"{fault.module}: {fault.reason}" for fault in registry.faults]
    wanted: set[Path] = set()
    for owner, step in sorted(registry.steps(), key=lambda pair: pair[1].topic):
        path = folder / f"{quote(step.topic, safe='')}.json"
        wanted.add(path)
        if keys and owner.key not in keys:
            continue
        template = {**template_of(owner, step, all_outputs=all_outputs), "metadata": {MARK: owner.key}}
        before = _read(path)
        if before is None:
            faults.append(f"{path} is not a file of this command; rename it")
            continue
        found.append(_next(path, template, before))
    known = set(owner_keys())
    for path in sorted(folder.glob("*.json")):
        owner_key = _owner_of(path)
        if path in wanted or owner_key is None or (keys and owner_key not in keys):
            continue
        # The steps of a package that could not be loaded may still exist.
        if owner_key in known or not registry.faults:
            found.append(TemplateFile(path, "removed", []))
    return Templates(found, faults)


def _next(path: Path, template: Json, before: list[Json]) -> TemplateFile:
    if not before:
        return TemplateFile(path, "new", [{**template, "version": 1}])
    version = max(found["version"] for found in before)
    newest = {**template, "version": version}
    if before[0] == newest:
        return TemplateFile(path, "unchanged", before)
    return TemplateFile(path, "changed", [{**template, "version": version + 1}, *before])


def _owner_of(path: Path) -> str | None:
    """The process or worker of a file; None if the file is not one of this command."""
    found = _read(path)
    return found[0]["metadata"][MARK] if found else None


def _read(path: Path) -> list[Json] | None:
    """The versions in a file, none if there is no file; None if it is not a file of this command."""
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError):
        return None
    is_own = isinstance(found, list) and found and all(map(_is_own, found))
    return found if is_own else None


def _is_own(template: Any) -> bool:
    if not isinstance(template, dict) or not isinstance(template.get("version"), int):
        return False
    metadata = template.get("metadata")
    return isinstance(metadata, dict) and isinstance(metadata.get(MARK), str)
