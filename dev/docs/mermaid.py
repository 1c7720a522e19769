"""`python -m dev.docs.mermaid`: bring Mermaid's script into the documentation's assets, once, checked by its hash.

The theme would have each reader's browser fetch it from a CDN, which a closed network has not. npm is asked for the
package's archive alone: nothing is installed and no script of a package is run.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from dev.environment import ROOT

#: the major version that Material for MkDocs 9.8 drives
PACKAGE = "mermaid@11.17.2"
MEMBER = "package/dist/mermaid.min.js"
SHA256 = "581ed7d74bd9048d0e3a91363927d72ef22942d7722546b27f7cc29e35390eb8"

PATH = ROOT / "docs" / "assets" / "vendor" / "mermaid.min.js"
SCRIPT_TAG = re.compile(r'\s*<script src="[^"]*assets/vendor/mermaid\.min\.js"></script>')

#: seconds that the registry has
FETCH_S = 180.0


class MermaidError(Exception):
    """Mermaid's script is not there, or is not the one that is pinned."""


def is_there() -> bool:
    """True when the pinned script is among the assets."""
    return PATH.is_file() and hashlib.sha256(PATH.read_bytes()).hexdigest() == SHA256


def require() -> None:
    """Check that the script is there.

    Raises:
        MermaidError: says how to bring it.
    """
    if not is_there():
        raise MermaidError(f"{PATH.relative_to(ROOT)} is missing: run `make docs`, or python -m dev.docs.mermaid")


def bring() -> None:
    """Fetch the script, unless it is there.

    Raises:
        MermaidError: npm is missing or failed, or the archive holds another script.
    """
    if is_there():
        return
    npm = shutil.which("npm")
    if npm is None:
        raise MermaidError("npm is missing; on Debian: apt-get install npm")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", PACKAGE, "--ignore-scripts", "--pack-destination", folder]
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_S, check=False)
        archives = list(Path(folder).glob("*.tgz"))
        if done.returncode or not archives:
            raise MermaidError(f"npm pack {PACKAGE}: {done.stderr.strip()}")
        with tarfile.open(archives[0]) as archive:
            member = archive.extractfile(MEMBER)
            content = member.read() if member else b""
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise MermaidError(f"{PACKAGE} holds another {MEMBER} than the one that is pinned")
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_bytes(content)


if __name__ == "__main__":
    try:
        bring()
    except MermaidError as error:
        sys.exit(str(error))
