"""The contestants, by the names that `--contestants` takes."""

from bench.contestants.bare import Bare
from bench.contestants.base import Contestant
from bench.contestants.js import JsDefaults, JsTuned
from bench.contestants.ours import InlineSteps, Ours
from bench.contestants.python import Python, PythonTuned

ALL: dict[str, type[Contestant]] = {
    kind.name: kind for kind in (Ours, InlineSteps, Bare, JsTuned, JsDefaults, Python, PythonTuned)
}

__all__ = ["ALL", "Contestant"]
