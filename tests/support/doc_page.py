"""Run the blocks of one page, from top to bottom, in one shell: a later block has what an earlier one exports."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from dev.environment import ROOT
from tests.support.doc_blocks import SHELL, Block, shown_output
from tests.support.doc_serving import Serving
from tests.support.shown_output import differences, shows_an_error

#: seconds that a page may take
PAGE_S = 240.0
#: seconds that a page may take which starts the system itself
SERVING_PAGE_S = 600.0
#: exit code of curl after an answer of 400 or more under --fail-with-body
CURL_HTTP_ERROR = 22

#: files that a fresh clone does not have
NOT_COPIED = (".git", ".venv", ".env", ".run", "site", "target", "vendor", "results", "__pycache__", ".*_cache")

# An error answer fails its block, unless the page shows that answer.
CURL = """\
#!/bin/sh
exec {curl} --silent --show-error --fail-with-body --max-time 60 --noproxy '*' "$@"
"""


class Checkout:
    """A copy of the project in which the blocks of a page may write any file.

    Args:
        folder: the folder of the copy.
        environment: the environment of the commands.
        addresses: address on the pages, such as `127.0.0.1:8000` -> address of the test's stack.
        serving: what the blocks `make run` of the page start.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        addresses: Mapping[str, str],
        serving: Serving | None = None,
    ) -> None:
        self._serving = serving
        self.folder = folder / "checkout"
        self._blocks = folder / "blocks"
        self._addresses = addresses
        shutil.copytree(ROOT, self.folder, ignore=shutil.ignore_patterns(*NOT_COPIED), symlinks=True)
        # The Python of this test: a new environment would take a minute.
        (self.folder / ".venv").symlink_to(Path(sys.prefix))
        self._blocks.mkdir()
        programs = folder / "bin"
        programs.mkdir()
        curl = shutil.which("curl")
        assert curl is not None, "curl is missing"
        (programs / "curl").write_text(CURL.format(curl=shlex.quote(curl)))
        (programs / "curl").chmod(0o755)
        self._environment = {**environment, "PATH": os.pathsep.join([str(programs), environment["PATH"]])}

    def run(self, blocks: list[Block]) -> None:
        """Run those blocks of a page that can be run, and compare their output with the output on the page.

        Raises:
            AssertionError: a block failed, or its output differs; the message has its place and its output.
        """
        wanted = [(place, block) for place, block in enumerate(blocks) if block.is_run]
        script = ["set -euo pipefail"]
        if self._serving is not None:
            script.append(self._serving.functions())
        for place, block in wanted:
            shown = shown_output(blocks, place)
            failing = shown is not None and shows_an_error(shown.label, shown.text)
            script += self._lines(place, block, may_fail=failing)
        if self._serving is not None:
            script.append("stop_serving")
        code, text = self._bash("\n".join(script))
        begun = [place for place, _ in wanted if self._output(place).exists()]
        last = blocks[begun[-1]] if begun else None
        assert code == 0, f"{last.place if last else 'the page'} ended with {code}:\n{self._printed(begun)}{text}"
        for place, block in wanted:
            if (shown := shown_output(blocks, place)) is not None:
                printed = self._output(place).read_text()
                found = differences(shown.label, self._here(shown.text), printed)
                assert not found, f"the output of {block.place} differs from {shown.place}: " + "\n".join(found)

    def _lines(self, place: int, block: Block, *, may_fail: bool) -> list[str]:
        output = shlex.quote(str(self._output(place)))
        begin = f"exec > {output} 2> {output}.errors"
        if block.is_served:
            return [begin, "serve"]
        if block.label in SHELL:
            code = self._here(block.text)
            if may_fail:
                code = f"set +e\n{code}\ncode=$?; set -e; [ $code -eq 0 ] || [ $code -eq {CURL_HTTP_ERROR} ]"
            return [begin, code]
        return [begin, self._python(place, block)]

    def _python(self, place: int, block: Block) -> str:
        is_test = "\ndef test_" in f"\n{block.text}"
        path = self._blocks / f"{'test_' if is_test else ''}block_{place}.py"
        path.write_text(self._here(block.text))
        command = "pytest -p testkit.plugin -p no:cacheprovider --rootdir . --quiet" if is_test else "python"
        return f'PYTHONPATH="$PWD" {command} {shlex.quote(str(path))}'

    def _here(self, text: str) -> str:
        for shown, real in self._addresses.items():
            text = text.replace(shown, real)
        return text

    def _output(self, place: int) -> Path:
        return self._blocks / f"{place}.out"

    def _printed(self, begun: list[int]) -> str:
        if not begun:
            return ""
        output = self._output(begun[-1])
        return output.read_text() + Path(f"{output}.errors").read_text()

    def _bash(self, script: str) -> tuple[int, str]:
        path = self._blocks / "page.sh"
        path.write_text(script + "\n")
        limit_s = PAGE_S if self._serving is None else SERVING_PAGE_S
        with subprocess.Popen(
            ["bash", str(path)],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                text, _ = process.communicate(timeout=limit_s)
            except subprocess.TimeoutExpired:
                return -1, f"the page took longer than {limit_s:.0f} s"
            finally:
                # Processes that a block left running in the background end with the page.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        return process.returncode, text
