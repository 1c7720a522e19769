"""Findings as a SARIF 2.1.0 log, which editors and code hosts read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

from camunda_bridge.check.findings import CODES, DESCRIPTIONS, Finding

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
#: the version in pyproject.toml, which an image does not have
VERSION = "0.1.0"
#: where the documentation describes each code
_PAGE = "docs/reference/check.md"


def sarif_log(findings: Iterable[Finding]) -> dict[str, Any]:
    """The log: one run with a rule for each code and a result for each finding."""
    driver = {"name": "celery-camunda", "version": VERSION, "rules": [_rule(code) for code in CODES]}
    run = {"tool": {"driver": driver}, "results": [_result(finding) for finding in findings]}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str) -> dict[str, Any]:
    wrong, fix = DESCRIPTIONS[code]
    return {
        "id": code,
        "shortDescription": {"text": wrong},
        "help": {"text": f"{fix} See {_PAGE}#{code.lower()}."},
        "defaultConfiguration": {"level": "error"},
    }


def _result(finding: Finding) -> dict[str, Any]:
    excuse = finding.excuse
    # Either all results of a run have suppressions or none has (SARIF 2.1.0, 3.27.23).
    suppressions = [] if excuse is None else [{"kind": "inSource", "justification": excuse}]
    text = finding.text if finding.is_file else f"{finding.place}: {finding.text}"
    return {
        "ruleId": finding.code,
        "ruleIndex": CODES.index(finding.code),
        # A reader that does not know suppressions shows an excused finding as a remark.
        "level": "error" if excuse is None else "note",
        "message": {"text": text},
        "locations": [_location(finding)],
        "suppressions": suppressions,
    }


def _location(finding: Finding) -> dict[str, Any]:
    if not finding.is_file:
        return {"logicalLocations": [_logical(finding)]}
    place = {"artifactLocation": _artifact(finding.path), "region": {"startLine": finding.line}}
    return {"physicalLocation": place, "logicalLocations": [_logical(finding)]}


def _artifact(path: str) -> dict[str, str]:
    if PurePath(path).is_absolute():
        return {"uri": Path(path).as_uri()}
    return {"uri": quote(PurePath(path).as_posix()), "uriBaseId": "%SRCROOT%"}


def _logical(finding: Finding) -> dict[str, Any]:
    if not finding.element:
        return {"name": finding.name, "fullyQualifiedName": finding.name, "kind": "module"}
    parts = dict.fromkeys((finding.process, finding.element))
    found = {"name": finding.element, "fullyQualifiedName": "/".join(parts), "kind": "element"}
    return {**found, "properties": {"name": finding.name}} if finding.name else found
