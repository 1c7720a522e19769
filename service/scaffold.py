"""Write the folder of a new process: a diagram, schemas, steps, and tests that pass."""

from __future__ import annotations

import keyword
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Mapping
from importlib.util import find_spec
from pathlib import Path
from string import Template

from service.errors import ScaffoldError

TEMPLATES = Path(__file__).with_name("templates")
#: a valid key; it is also part of the names of a queue and of topics and, with underscores, a Python package
KEY = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")
#: longest key, in characters
MAX_KEY = 60


def write_process(key: str, package: str, taken: Collection[str]) -> Path:
    """Write the process `key` into a sub-package of `package`: the whole folder or nothing.

    Args:
        key: the key of the process.
        package: the package that gets the folder.
        taken: keys of the processes that exist.

    Returns:
        The folder.

    Raises:
        ScaffoldError: the key is invalid or taken, the package does not exist, or the folder exists or cannot be
            written.
    """
    if not KEY.match(key) or len(key) > MAX_KEY:
        raise ScaffoldError(
            f"{key!r} cannot be the key of a process: use small letters, digits and single hyphens, a letter first, "
            f"at most {MAX_KEY} characters; for example order-fulfilment"
        )
    name = key.replace("-", "_")
    if keyword.iskeyword(name):
        raise ScaffoldError(f"{key!r} cannot be the key of a process: {name} is a keyword of Python; use another key")
    if key in taken:
        raise ScaffoldError(f"there is a process {key!r} already; use another key")
    title = key.replace("-", " ").capitalize()
    words = {"key": key, "name": name, "title": title, "package": package}
    files: dict[str, str | bytes] = {}
    for template in sorted(TEMPLATES.rglob("*.tmpl")):
        target = Template(str(template.relative_to(TEMPLATES)).removesuffix(".tmpl")).substitute(words)
        files[target] = Template(template.read_text()).substitute(words)
    return write_folder(folder_of(package), name, files)


def write_folder(parent: Path, name: str, files: Mapping[str, str | bytes]) -> Path:
    """Write a package: the whole folder or nothing.

    Args:
        parent: the folder that gets it.
        files: content of each file, by its path in the folder.

    Raises:
        ScaffoldError: the folder or a module of that name exists, or the folder cannot be written.
    """
    folder = parent / name
    for there in (folder, parent / f"{name}.py"):
        # The new package would hide a module of this name.
        if there.exists() or there.is_symlink():
            raise ScaffoldError(f"{there} exists already; nothing was written")
    # With a dot, so that no program imports it before it is complete.
    try:
        draft = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=parent))
    except OSError as error:
        raise ScaffoldError(f"{folder} cannot be written: {error}") from error
    try:
        for path, content in files.items():
            target = draft / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content if isinstance(content, bytes) else content.encode())
        draft.chmod(0o777 & ~_umask())
        # If the folder was created in between, renaming fails, unless that folder is empty.
        draft.rename(folder)
    except OSError as error:
        raise ScaffoldError(f"{folder} cannot be written: {error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def folder_of(package: str) -> Path:
    """The folder of a package.

    Raises:
        ScaffoldError: there is no such package.
    """
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        # A package around it is missing, or the name is invalid.
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise ScaffoldError(f"{package!r} is no package; name an importable one, such as processes")
    return Path(next(iter(spec.submodule_search_locations)))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
