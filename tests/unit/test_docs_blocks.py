"""The rules for the blocks of the documentation, and the comparison of the output on a page with the real output."""

from __future__ import annotations

import pytest

from tests.support.doc_blocks import ALIASES, REASONS, RUN, SESSION, blocks_of, pages, parse, shown_output
from tests.support.shown_output import differences, shows_an_error

#: at most one in so many of all runnable blocks is not run
ONE_IN = 5
#: most blocks of one page that are not run
MOST_ON_A_PAGE = 6


class TestPages:
    """Rules for all pages."""

    @pytest.mark.parametrize("page", pages())
    def test_every_block_has_a_clear_label(self, page: str) -> None:
        unclear = [block.place for block in blocks_of(page) if block.label in ALIASES]

        assert unclear == [], "label each block: sh or python if it must be run; text, json, ... if not"

    @pytest.mark.parametrize("page", pages())
    def test_block_that_is_not_run_has_a_reason(self, page: str) -> None:
        left_out = [block for block in blocks_of(page) if block.label in SESSION or block.not_run is not None]
        wrong = [
            f"{block.place}: {block.not_run}" for block in left_out if not (block.not_run or "").startswith(REASONS)
        ]

        assert wrong == [], f"the reason must begin with one of {REASONS}"
        assert len(left_out) <= MOST_ON_A_PAGE

    def test_few_blocks_are_not_run(self) -> None:
        blocks = [block for page in pages() for block in blocks_of(page) if block.label in RUN | SESSION]
        left_out = [block.place for block in blocks if not block.is_run]

        assert len(blocks) > 40
        assert len(left_out) * ONE_IN <= len(blocks), left_out


class TestParse:
    def test_a_comment_before_a_block_says_why_it_is_not_run(self) -> None:
        blocks = parse("p.md", "<!-- not run: needs root -->\n\n```sh\nreboot\n```\n\n```sh\nls\n```\n")

        assert [block.not_run for block in blocks] == ["needs root", None]
        assert [block.is_run for block in blocks] == [False, True]

    def test_a_comment_with_text_after_it_belongs_to_no_block(self) -> None:
        (block,) = parse("p.md", "<!-- not run: needs root -->\n\nText.\n\n```sh\nls\n```\n")

        assert block.is_run

    def test_only_a_block_that_follows_at_once_is_the_output(self) -> None:
        blocks = parse("p.md", "```sh\nls\n```\n\n```text\na\n```\n\nIt says:\n\n```json\n{}\n```\n")

        assert shown_output(blocks, 0) == blocks[1]
        assert shown_output(blocks, 1) is None

    def test_an_indented_block_loses_its_indent(self) -> None:
        (block,) = parse("p.md", "- item\n\n  ```sh\n  ls\n    -l\n  ```\n")

        assert block.text == "ls\n  -l\n"
        assert block.line == 3

    def test_a_comment_before_make_run_has_the_system_started(self) -> None:
        blocks = parse("p.md", "<!-- served -->\n```sh\nmake run\n```\n\n```sh\nls\n```\n")

        assert [block.is_served for block in blocks] == [True, False]
        assert blocks[0].is_run

    def test_only_make_run_can_be_served(self) -> None:
        with pytest.raises(ValueError, match=r"p\.md:2: only the block `make run`"):
            parse("p.md", "<!-- served -->\n```sh\nmake demo\n```\n")

    def test_an_open_block_is_refused_with_its_place(self) -> None:
        with pytest.raises(ValueError, match=r"p\.md:1"):
            parse("p.md", "```sh\nls\n")


class TestShownOutput:
    @pytest.mark.parametrize(
        ("shown", "printed"),
        [
            ('{"a": 1}', '{"a": 1}'),
            ('{"a": "…"}', '{"a": [1, 2]}'),
            ('{"a": "x-…"}', '{"a": "x-1"}'),
            ('{"a": 1, "…": "…"}', '{"a": 1, "b": 2}'),
            ('[1, "…"]', "[1, 2, 3]"),
        ],
    )
    def test_json_that_is_as_shown(self, shown: str, printed: str) -> None:
        assert differences("json", shown, printed) == []

    @pytest.mark.parametrize(
        ("shown", "printed"),
        [
            ('{"a": 1}', '{"a": 2}'),
            ('{"a": 1}', '{"a": 1, "b": 2}'),
            ('{"a": 1, "…": "…"}', '{"b": 2}'),
            ('{"a": 1}', '{"a": true}'),
            ('{"a": "x-…"}', '{"a": "y-1"}'),
            ("[1]", "[1, 2]"),
            ("[1, 2]", "[1]"),
            ("{}", "no JSON"),
            ("no JSON", "{}"),
        ],
    )
    def test_json_that_differs(self, shown: str, printed: str) -> None:
        assert len(differences("json", shown, printed)) == 1

    @pytest.mark.parametrize(
        ("shown", "printed"), [("a …\nb", "a 1\nb\n"), ("a\n…", "a\n"), ("a\n…\nd", "a\nb\nc\nd"), ("…\nd", "a\nd")]
    )
    def test_text_that_is_as_shown(self, shown: str, printed: str) -> None:
        assert differences("text", shown, printed) == []

    @pytest.mark.parametrize(("shown", "printed"), [("a", "b"), ("a …", "a 1\nb"), ("a\n…\nd", "a\nb"), ("a", "")])
    def test_text_that_differs(self, shown: str, printed: str) -> None:
        assert len(differences("text", shown, printed)) == 1

    def test_an_http_answer_is_compared_by_status_shown_headers_and_body(self) -> None:
        printed = 'HTTP/1.1 202 ACCEPTED\r\nLocation: /x/1\r\nDate: now\r\n\r\n{"a": 1}'

        assert differences("http", 'HTTP/1.1 202 ACCEPTED\nLocation: /x/…\n\n{"a": 1}', printed) == []
        assert differences("http", "HTTP/1.1 202 …", printed) == []
        assert len(differences("http", 'HTTP/1.1 200 OK\nRetry-After: 2\n\n{"a": 2}', printed)) == 3

    def test_an_error_answer_is_told_by_its_status(self) -> None:
        assert shows_an_error("http", "HTTP/1.1 422 …")
        assert not shows_an_error("http", "HTTP/1.1 202 ACCEPTED")
