"""The editor of the Camunda Modeler in a headless browser: bpmn.io's `camunda-bpmn-js`, which the Modeler consists of."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from selenium import webdriver

from bench.tools import node_packages
from dev.browser import headless

HERE = Path(__file__).parent
#: seconds that the validator may take
VALIDATE_S = 60

_CALL = """
const [name, ...rest] = arguments, done = rest.pop();
Promise.resolve().then(() => window[name](...rest)).then(
    (value) => done({ value }), (error) => done({ error: String(error.stack || error) }));
"""
_VALIDATE = """
const { validateAll } = require("@bpmn-io/element-templates-validator");
const found = validateAll(JSON.parse(require("fs").readFileSync(0)));
console.log(JSON.stringify(found.results.flatMap(({ errors }) => errors ?? [])));
"""


@cache
def packages() -> Path:
    """The folder with the page and its packages, installed if necessary."""
    folder = node_packages(HERE, "modeler")
    for name in ("page.html", "page.js"):
        shutil.copyfile(HERE / name, folder / name)
    return folder


def schema() -> dict[str, Any]:
    """The JSON schema of element templates for Camunda 7."""
    path = packages() / "node_modules/@camunda/element-templates-json-schema/resources/schema.json"
    return dict(json.loads(path.read_text()))


def validate(templates: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What bpmn.io's validator finds wrong with templates."""
    done = subprocess.run(
        ["node", "-e", _VALIDATE],
        cwd=packages(),
        input=json.dumps(templates),
        capture_output=True,
        text=True,
        timeout=VALIDATE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


class Modeler:
    """An editor with one diagram open."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver
        driver.get((packages() / "page.html").as_uri())

    def open(self, xml: str, templates: Sequence[dict[str, Any]]) -> list[str]:
        """Open a diagram. Returns what the editor finds wrong with the templates."""
        return list(self._call("open", xml, templates))

    def apply(self, element: str, template: str) -> None:
        """Apply the newest version of a template, or update the element to it."""
        self._call("apply", element, template)

    def panel(self, element: str) -> dict[str, Any]:
        """What the properties panel shows: `entries` by label, `groups`, `items` of lists, and the whole `text`."""
        return dict(self._call("panel", element))

    def fill(self, element: str, label: str, value: str) -> None:
        """Type or choose a value in the properties panel."""
        self._call("fill", element, label, value)

    def rename_output(self, element: str, output: str, name: str) -> None:
        """Assign an output to a variable of another name, in the properties panel."""
        self._call("renameOutput", element, output, name)

    def on_error(self, element: str, code: str, name: str) -> None:
        """Attach an error boundary event for an error of the diagram; `name`: id of the end event behind it."""
        self._call("onError", element, code, name)

    def save(self) -> str:
        """The diagram."""
        return str(self._call("save"))

    def _call(self, name: str, *arguments: Any) -> Any:
        answer = self.driver.execute_async_script(_CALL, name, *arguments)
        assert "error" not in answer, answer["error"]
        return answer.get("value")


@contextmanager
def modeler() -> Iterator[Modeler]:
    """An editor.

    Raises:
        ToolMissing: the browser, its driver, Node or npm is not installed.
    """
    with headless("--allow-file-access-from-files", size=(1400, 1000)) as driver:
        yield Modeler(driver)
