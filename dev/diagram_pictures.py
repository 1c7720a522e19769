"""`python -m dev.diagram_pictures`: draw the diagrams of the tutorial, each as an SVG beside its BPMN file.

It needs headless Chromium. bpmn-js, which the monitor has too, draws the diagram as the Camunda Modeler shows it.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from selenium.webdriver.remote.webdriver import WebDriver

from dev.browser import headless
from dev.environment import ROOT

#: the folder with the stages of the tutorial's diagram
FOLDER = ROOT / "docs" / "guides" / "rent-bike"
VIEWER = ROOT / "app" / "monitor" / "static" / "vendor" / "bpmn-js" / "bpmn-navigated-viewer.min.js"
#: the page is white, so that the lines are visible in a dark theme too
_BACKGROUND = '<rect x="{}" y="{}" width="{}" height="{}" fill="white" />'
_DRAW = """
const [xml, done] = arguments;
document.body.innerHTML = '<div id="canvas" style="width: 1600px; height: 900px"></div>';
const viewer = new BpmnJS({container: "#canvas"});
viewer.importXML(xml).then(() => viewer.saveSVG()).then(({svg}) => done(svg), (error) => done(`error: ${error}`));
"""


def draw(driver: WebDriver, bpmn: str) -> str:
    """The SVG of a diagram.

    Raises:
        ValueError: bpmn-js cannot read the file.
    """
    svg = str(driver.execute_async_script(_DRAW, bpmn))
    if svg.startswith("error: "):
        raise ValueError(svg)
    # Left out: the areas that a mouse can hit, and the external DTD.
    svg = re.sub(r'<!DOCTYPE[^>]*>\s*|<rect class="djs-(?:hit|outline)[^>]*/>|<(\w+) class="djs-hit[^>]*/>', "", svg)
    # The ids of markers are random; numbers instead keep the file the same when nothing has changed.
    for number, name in enumerate(dict.fromkeys(re.findall(r'<marker id="([^"]+)"', svg)), 1):
        svg = svg.replace(name, f"marker-{number}")
    box = re.compile(r'(viewBox="(\S+) (\S+) (\S+) (\S+)"[^>]*>)')
    return box.sub(lambda found: found[1] + _BACKGROUND.format(*found.groups()[1:]), svg, count=1).rstrip() + "\n"


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m dev.diagram_pictures", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--folder", type=Path, default=FOLDER, help="folder of the BPMN files")
    options = parser.parse_args()
    with headless() as driver:
        driver.get("about:blank")
        driver.execute_script(VIEWER.read_text())
        for path in sorted(options.folder.glob("*.bpmn")):
            path.with_suffix(".svg").write_text(draw(driver, path.read_text()))
            print(path.with_suffix(".svg"))


if __name__ == "__main__":
    main()
