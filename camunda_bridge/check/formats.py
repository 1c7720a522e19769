"""The formats in which a check reports its findings: for people, programs, GitHub and editors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from camunda_bridge.check.findings import Finding
from camunda_bridge.check.sarif import sarif_log


def _text(findings: Sequence[Finding]) -> str:
    return "\n".join(map(str, findings))


def _json(findings: Sequence[Finding]) -> str:
    return _dump(
        {
            "faults": [finding.document() for finding in findings if finding.excuse is None],
            "excused": [finding.document() for finding in findings if finding.excuse is not None],
        }
    )


def _sarif(findings: Sequence[Finding]) -> str:
    return _dump(sarif_log(findings))


def _dump(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2)


def _github(findings: Sequence[Finding]) -> str:
    return "\n".join(map(_command, findings))


def _command(finding: Finding) -> str:
    """The workflow command that makes an annotation of a finding."""
    properties = {"title": finding.code}
    text = finding.text
    if finding.is_file:
        properties = {"file": finding.path, "line": str(finding.line), **properties}
    else:
        text = f"{finding.place}: {text}"
    listed = ",".join(f"{name}={_escaped_property(value)}" for name, value in properties.items())
    return f"::{'error' if finding.excuse is None else 'notice'} {listed}::{_escaped(text)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


#: name of a format -> its writer
FORMATS: Mapping[str, Callable[[Sequence[Finding]], str]] = MappingProxyType(
    {"text": _text, "json": _json, "github": _github, "sarif": _sarif}
)


def report(findings: Iterable[Finding], form: str = "text") -> str:
    """The findings in one of :data:`FORMATS`, the faults first and then what is excused."""
    return FORMATS[form](sorted(findings, key=lambda finding: finding.excuse is not None))
