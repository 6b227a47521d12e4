"""A reply taken apart: neighbouring lines of prose are one part, however many they are."""

from __future__ import annotations

import pytest

from rlm_integrations.core.loop.drafts import without_drafts
from rlm_integrations.core.loop.reply_parts import ReplyReader


@pytest.mark.parametrize("line", ["", "words", "# Words", "< words", "FINAL (1)"])
def test_lines_of_prose_are_one_part(line: str) -> None:
    reply = f"{line}\n" * 1_000
    parts = ReplyReader(reply, None).read()
    without_drafts(parts)
    assert [part.lines for part in parts] == [reply.split("\n")]


def test_prose_is_cut_only_where_thoughts_begin_and_end() -> None:
    lines = ["a", "b", "<plan>", "c", "d", "</plan>", "e", "f"]
    parts = ReplyReader("\n".join(lines), None).read()
    without_drafts(parts)
    assert [part.lines for part in parts] == [["a", "b"], ["<plan>"], ["c", "d"], ["</plan>"], ["e", "f"]]
    assert [part.kind for part in parts] == ["prose", "draft", "draft", "draft", "prose"]
