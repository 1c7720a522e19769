"""Write the folder of a new process: a diagram, its schemas, its steps, and tests that pass."""

from __future__ import annotations

import keyword
import os
import re
import shutil
import tempfile
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path
from string import Template

from service.errors import ScaffoldError

TEMPLATES = Path(__file__).with_name("templates")
#: what a key looks like: it is also the name of a queue, of topics and, with underscores, of a Python package
KEY = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")
MAX_KEY = 60


def write_process(key: str, package: str, taken: Collection[str]) -> Path:
    """Write the process `key` into a sub-package of `package`; its folder, which is there as a whole or not at all.

    Raises:
        ScaffoldError: the key cannot be used or is `taken`, the package is none, the folder is there already or cannot
            be written.
    """
    if not KEY.match(key) or len(key) > MAX_KEY:
        raise ScaffoldError(
            f"{key!r} cannot be the key of a process: small letters, digits and single hyphens, a letter first, "
            f"at most {MAX_KEY} characters; for example order-fulfilment"
        )
    name = key.replace("-", "_")
    if keyword.iskeyword(name):
        raise ScaffoldError(f"{key!r} cannot be the key of a process: {name} is a word of Python's own")
    if key in taken:
        raise ScaffoldError(f"there is a process {key!r} already")
    parent = _folder_of(package)
    folder = parent / name
    for there in (folder, parent / f"{name}.py"):
        # A module of this name would be hidden by the package.
        if there.exists() or there.is_symlink():
            raise ScaffoldError(f"{there} is there already; nothing was written")
    title = key.replace("-", " ").capitalize()
    words = {"key": key, "name": name, "title": title, "package": package}
    # Hidden, so that nobody imports it before it is whole.
    try:
        draft = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=parent))
    except OSError as error:
        raise ScaffoldError(f"{folder} cannot be written: {error}") from error
    try:
        for template in sorted(TEMPLATES.rglob("*.tmpl")):
            target = draft / Template(str(template.relative_to(TEMPLATES)).removesuffix(".tmpl")).substitute(words)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(Template(template.read_text()).substitute(words))
        draft.chmod(0o777 & ~_umask())
        # Renaming onto a folder that came meanwhile fails, unless that is empty.
        draft.rename(folder)
    except OSError as error:
        raise ScaffoldError(f"{folder} cannot be written: {error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def _folder_of(package: str) -> Path:
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        # A package around it is missing, or it is no name of one.
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise ScaffoldError(f"{package!r} is no package")
    return Path(next(iter(spec.submodule_search_locations)))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
