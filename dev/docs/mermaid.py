"""`python -m dev.docs.mermaid`: fetch Mermaid's script once into the documentation's assets, and check its hash.

With the theme's default, each reader's browser would fetch the script from a CDN, which a closed network cannot reach.
npm only downloads the package's archive: it installs nothing and runs no script of a package.
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

#: of the major version that Material for MkDocs 9.8 supports
PACKAGE = "mermaid@11.17.2"
MEMBER = "package/dist/mermaid.min.js"
SHA256 = "581ed7d74bd9048d0e3a91363927d72ef22942d7722546b27f7cc29e35390eb8"

PATH = ROOT / "docs" / "assets" / "vendor" / "mermaid.min.js"
SCRIPT_TAG = re.compile(r'\s*<script src="[^"]*assets/vendor/mermaid\.min\.js"></script>')

#: seconds that the download may take
FETCH_S = 180.0


class MermaidError(Exception):
    """Mermaid's script is missing, or is not the pinned one."""


def is_there() -> bool:
    """True when the pinned script is among the assets."""
    return PATH.is_file() and hashlib.sha256(PATH.read_bytes()).hexdigest() == SHA256


def require() -> None:
    """Check that the script is there.

    Raises:
        MermaidError: it is not; the message has the command that fetches it.
    """
    if not is_there():
        raise MermaidError(f"{PATH.relative_to(ROOT)} is missing: run `make docs` or `python -m dev.docs.mermaid`")


def fetch() -> None:
    """Fetch the script, unless it is there.

    Raises:
        MermaidError: npm is missing or failed, or the archive contains another script.
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
        raise MermaidError(f"{MEMBER} of {PACKAGE} is not the pinned one: its SHA-256 must be {SHA256}")
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_bytes(content)


if __name__ == "__main__":
    try:
        fetch()
    except MermaidError as error:
        sys.exit(str(error))
