"""What a deployment would change, as lines for people and as a document for programs."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from camunda_bridge.bpmn.diff import Difference, ElementChange, Kind
from service.deploy_plan import PackagePlan, Plan, ProcessPlan
from service.running_versions import RunningVersion, UnhandledStep, Why

#: what each line begins with; `!` is a step without a handler
_MARKS: dict[Kind, str] = {"added": "+", "removed": "-", "changed": "~"}
_GONE: dict[Why, str] = {
    "removed": "which is removed",
    "topic": "which gets another topic",
    "kind": "which becomes another element",
}
#: facts of an element that begin its line instead of being listed
_ENDS = ("sourceRef", "targetRef")


def plan_lines(plan: Plan) -> Iterator[str]:
    """The lines for people."""
    for package in plan.packages:
        for process in package.processes:
            yield _headline(process)
            yield from (f"  {line}" for line in _details(process))
        if package.is_changed and (files := list(_file_lines(package))):
            yield f"files of the package {package.name}:"
            yield from (f"  {line}" for line in files)


def plan_document(plan: Plan) -> dict[str, Any]:
    """The document for programs: the plan with everything in it."""
    return {"isChanged": plan.is_changed, **_camel(asdict(plan))}


def unhandled_lines(plan: Plan) -> Iterator[str]:
    """A line for each version with steps that the code does not handle, the new one first."""
    for package in plan.packages:
        for process in package.processes:
            yield from (f"{process.key}: {line}" for line in _unhandled(process))


def change_lines(change: ElementChange) -> Iterator[str]:
    """The lines of an element: one if it was added or removed, one for each fact if it was changed."""
    mark = _MARKS[change.change]
    if change.change == "changed":
        for fact in change.facts:
            yield from _fact_lines(f"{mark} {change.id}:", fact)
        return
    facts = {fact.name: (fact.after if change.change == "added" else fact.before) or "" for fact in change.facts}
    ends = " → ".join(facts.pop(end) for end in _ENDS if end in facts)
    if "topic" in facts and facts.get("type") == "external":
        # An external task is the only one with a topic.
        facts.pop("type")
    words = [mark, change.kind, change.id, ends, f"'{change.name}'" if change.name else ""]
    words += [_assigned(name, text) for name, text in facts.items()]
    yield " ".join(word for word in words if word)


def _headline(process: ProcessPlan) -> str:
    key, version = process.key, process.version
    if process.change == "unchanged":
        return f"{key}: unchanged, version {version}"
    if process.change == "removed":
        return f"{key}: no longer in its package, version {version} stays in the engine"
    if process.change == "added":
        return f"{key}: would deploy version 1, {_counted(len(process.elements), 'element')}"
    return f"{key}: would deploy version {version + 1}, before {version}{_without_elements(process)}"


def _without_elements(process: ProcessPlan) -> str:
    """Why there is a new version if no element differs."""
    if process.elements or process.fault:
        return ""
    if not process.is_file_changed:
        return "; its file is the same, its package differs"
    if process.other == ("layout",):
        return "; only the layout differs"
    if process.other:
        return f"; no element differs, but {', '.join(process.other)}"
    return "; only white space, comments or the order of elements differ"


def _details(process: ProcessPlan) -> Iterator[str]:
    if process.change == "changed":
        for change in process.elements:
            yield from change_lines(change)
    if process.fault:
        yield process.fault
    if process.change != "unchanged":
        for version in process.running:
            yield _running(version)
    yield from (f"! {line}" for line in _unhandled(process))


def _running(version: RunningVersion) -> str:
    places = [f"{place.instances} at {place.element}, {_GONE[place.why]}" for place in version.places]
    return "; ".join([f"version {version.number}: {_counted(version.instances, 'running instance')}", *places])


def _unhandled(process: ProcessPlan) -> Iterator[str]:
    if process.unhandled:
        topics = ", ".join(_with_element(step) for step in process.unhandled)
        yield f"no handler for {topics}; the tasks of these topics are not fetched"
    for version in process.running:
        if version.unhandled:
            steps = ", ".join(f"{_with_element(step)}, {step.instances} there now" for step in version.unhandled)
            running = _counted(version.instances, "running instance")
            yield f"version {version.number} with {running}: no handler for {steps}"
        if version.fault:
            yield f"version {version.number} cannot be read: {version.fault}"


def _with_element(step: UnhandledStep) -> str:
    return f"{step.topic} (step {step.element})"


def _file_lines(package: PackagePlan) -> Iterator[str]:
    shown = {process.file for process in package.processes}
    is_new = all(process.change == "added" for process in package.processes)
    for file in package.files:
        # The elements of a process say more than the name of its file.
        if file.name not in shown or (file.change != "changed" and not is_new):
            yield f"{_MARKS[file.change]} {file.name}"


def _fact_lines(begin: str, fact: Difference) -> Iterator[str]:
    if "\n" in (fact.before or "") or "\n" in (fact.after or ""):
        yield f"{begin} {fact.name}"
        before, after = (fact.before or "").splitlines(), (fact.after or "").splitlines()
        # The first three lines name two files and a place.
        for line in list(difflib.unified_diff(before, after, n=1, lineterm=""))[3:]:
            yield f"    {line}"
    elif fact.before is None:
        yield f"{begin} {_assigned(fact.name, fact.after or '')} added"
    elif fact.after is None:
        yield f"{begin} {_assigned(fact.name, fact.before)} removed"
    else:
        yield f"{begin} {fact.name} {_shown(fact.before)} → {_shown(fact.after)}"


def _assigned(name: str, text: str) -> str:
    if not text:
        return name
    return f"{name}=({len(text.splitlines())} lines)" if "\n" in text else f"{name}={_shown(text)}"


def _shown(text: str) -> str:
    return f"'{text}'" if not text or " " in text else text


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _camel(value: Any) -> Any:
    """The names of the API's JSON: `is_changed` is `isChanged`."""
    if isinstance(value, dict):
        return {_camel_name(name): _camel(item) for name, item in value.items()}
    return [_camel(item) for item in value] if isinstance(value, list | tuple) else value


def _camel_name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
