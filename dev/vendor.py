"""`python -m dev.vendor`: fetch the files of other projects that the monitor's pages and their tests load. Needs npm.

The files are committed, so that the service runs without npm and no page loads anything from another site. The licence
of each project is in its folder; `VENDORED.md` lists versions and digests.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "app" / "monitor" / "static" / "vendor"
TESTS = ROOT / "tests" / "support" / "vendor"
#: seconds that npm may take for one package
PATIENCE_S = 120


@dataclass(frozen=True, slots=True)
class Package:
    """An npm package. `files`: path in the package -> path in our folder, for each file that is used."""

    name: str
    version: str
    licence: str
    files: dict[str, str]
    folder: Path = PAGES


PACKAGES = (
    Package(
        "bpmn-js",
        "18.31.1",
        "bpmn.io licence: MIT, and the watermark stays visible",
        {
            "LICENSE": "LICENSE",
            "dist/bpmn-navigated-viewer.production.min.js": "bpmn-navigated-viewer.min.js",
            "dist/assets/bpmn-js.css": "bpmn-js.css",
            "dist/assets/diagram-js.css": "diagram-js.css",
        },
    ),
    Package(
        "uplot",
        "1.6.32",
        "MIT",
        {"LICENSE": "LICENSE", "dist/uPlot.iife.min.js": "uplot.min.js", "dist/uPlot.min.css": "uplot.css"},
    ),
    Package("axe-core", "4.14.1", "MPL-2.0", {"LICENSE": "LICENSE", "axe.min.js": "axe.min.js"}, TESTS),
)


def main() -> None:
    """Fetch all packages and write the lists."""
    for folder in dict.fromkeys(package.folder for package in PACKAGES):
        lines = ["# Files of other projects\n", "Fetched by `python -m dev.vendor`; do not edit.\n"]
        for package in PACKAGES:
            if package.folder == folder:
                lines.append(f"## {package.name} {package.version}\n\n{package.licence}\n")
                lines += [f"- `{path.relative_to(folder)}` sha256 {digest(path)}" for path in fetch(package)]
                lines.append("")
        (folder / "VENDORED.md").write_text("\n".join(lines))


def fetch(package: Package) -> list[Path]:
    """Write a package's files into its folder; returns their paths."""
    target = package.folder / package.name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            ["npm", "pack", "--silent", f"{package.name}@{package.version}"],
            cwd=folder,
            check=True,
            timeout=PATIENCE_S,
            stdout=subprocess.DEVNULL,
        )
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as files:
            files.extractall(folder, filter="data")
        for source, name in package.files.items():
            shutil.copyfile(Path(folder) / "package" / source, target / name)
    return [target / name for name in package.files.values()]


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
