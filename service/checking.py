"""Compare the BPMN files of this installation with its code, for the facade's commands."""

from __future__ import annotations

from camunda_bridge.check import Finding, check_deployed, check_files
from camunda_bridge.check.formats import FORMATS, report
from camunda_bridge.deployed import DeployedDiagrams
from camunda_bridge.errors import EngineUnavailable
from service.errors import CheckError
from settings import load
from tasks.processes import registry
from tasks.runtime import runtime

__all__ = ["FORMATS", "Finding", "check_all", "report"]


def check_all(*, in_engine: bool = False) -> list[Finding]:
    """All differences between diagrams and code, also those that a diagram excuses.

    Args:
        in_engine: take the diagrams of the versions that run in the engine. Otherwise only files are read.

    Raises:
        CheckError: the engine is unavailable.
    """
    languages = load().camunda_script_languages
    if not in_engine:
        return check_files(registry, languages)
    try:
        return check_deployed(registry, DeployedDiagrams(lambda: runtime().engine), languages)
    except EngineUnavailable as error:
        raise CheckError(f"the engine is unavailable: {error}") from error
