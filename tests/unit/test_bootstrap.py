"""dev/bootstrap.sh says what it does while it installs; pip, apt-get and what they install are stubs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dev.environment import ROOT

#: programs that the script uses, besides those that the tests replace
PROGRAMS = ("bash", "cat", "dirname", "env", "grep", "sleep")
#: the stubs are at work until the script says so
AT_WORK = "until grep --quiet '{}: still at work' \"$SHOWN\"; do sleep 0.05; done"
PIP = f"""#!/usr/bin/env bash
if [[ ${{2:-}} != pip ]]; then exec {sys.executable} "$@"; fi
for number in 1 2 3 4 5 6 7; do echo "Collecting package-$number==1.0 (from -r requirements.txt)"; done
{AT_WORK.format("requirements.txt")}
echo "Installing collected packages: package-1, package-2"
exit "${{PIP_EXIT:-0}}"
"""
APT = f"""#!/usr/bin/env bash
echo "$*" >>"$CALLS"
if [[ $1 == install && ! -f $CALLS.updated ]]; then echo "E: Unable to locate package" >&2; exit 100; fi
if [[ $1 == update ]]; then : >"$CALLS.updated"; exit 0; fi
echo "Need to get 46.1 MB of archives."
{AT_WORK.format("nodejs npm")}
"""


class Checkout:
    """A folder with the script and its requirements, where only stubs can be called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "dev").mkdir()
        shutil.copy(ROOT / "dev" / "bootstrap.sh", folder / "dev")
        (folder / "requirements.txt").write_text("package-1==1.0\n")
        self._write(folder / ".venv" / "bin" / "python", PIP)
        self._write(folder / "bin" / "apt-get", APT)
        self._write(folder / "bin" / "id", "#!/usr/bin/env bash\necho 0\n")
        for name in PROGRAMS:
            (folder / "bin" / name).symlink_to(shutil.which(name) or name)

    @staticmethod
    def _write(path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        shown = self.folder / "shown"
        env = {
            "PATH": str(self.folder / "bin"),
            "CALLS": str(self.folder / "calls"),
            "SHOWN": str(shown),
            "PROGRESS_S": "0.2",
            "LANG": os.environ.get("LANG", "C.UTF-8"),
            **variables,
        }
        with shown.open("w") as stderr:
            done = subprocess.run(
                [str(self.folder / "dev" / "bootstrap.sh"), *arguments],
                env=env,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                timeout=60,
                check=False,
            )
        done.stderr = shown.read_text()
        return done


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_installation_of_requirements_is_never_silent(checkout: Checkout) -> None:
    done = checkout.run()

    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    found = lines.index("  requirements.txt: 5 packages found")
    assert lines[found + 1].startswith("  requirements.txt: still at work after ")
    # A slow machine is told of waiting in other places too.
    assert [line for line in lines if "still at work after" not in line] == [
        "installing requirements.txt (about a minute the first time)",
        "  requirements.txt: 5 packages found",
        "  requirements.txt: installing the 7 packages",
    ]

    again = checkout.run()
    assert (again.returncode, again.stderr) == (0, "")


def test_failed_installation_is_tried_again_by_the_next_call(checkout: Checkout) -> None:
    assert checkout.run(PIP_EXIT="1").returncode == 1
    assert "installing requirements.txt" in checkout.run().stderr


def test_installation_of_programs_is_never_silent(checkout: Checkout) -> None:
    done = checkout.run("node")

    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert "installing nodejs npm (apt-get)" in lines
    needed = lines.index("  Need to get 46.1 MB of archives.")
    assert lines[needed + 1].startswith("  nodejs npm: still at work after ")
    calls = (checkout.folder / "calls").read_text().splitlines()
    assert [call.split()[0] for call in calls] == ["install", "update", "install"]
