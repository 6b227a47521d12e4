"""JSON among words is found whole, with work that grows with the text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.core.loop import embedded_json as module
from rlm_integrations.core.loop.embedded_json import json_spans

short = st.text(max_size=8)


@given(
    st.lists(
        st.recursive(st.none() | st.integers() | short, lambda inner: st.lists(inner, max_size=3), max_leaves=6)
        | st.dictionaries(short, short, max_size=3),
        max_size=5,
    ),
    st.text(st.sampled_from("ab {}[]\"',:\n`\\"), max_size=20),
)
def test_json_behind_words_without_brackets_is_found_whole(values: list[Any], words: str) -> None:
    before = words.replace("{", "").replace("[", "")
    dumped = json.dumps(values, ensure_ascii=False)
    text = f"{before}{dumped} {before}"
    assert dumped in [text[start:end] for start, end in json_spans(text)]


@pytest.mark.parametrize("piece", ["[", "{", '{"a": ', '["', '[1, {"a": [', '["\\"', "```\n", '{"a": 1} ', '"[', "[1,"])
def test_looking_for_json_among_words_takes_work_that_grows_with_the_text(piece: str) -> None:
    def read(repeated: int) -> int:
        """Characters that the decoder passed over."""
        passed = 0
        text = piece * repeated

        def decode(text: str, start: int) -> Any:
            nonlocal passed
            try:
                value, end = real(text, start)
            except json.JSONDecodeError as error:
                passed += (len(text) if error.msg.startswith("Unterminated") else error.pos) - start
                raise
            except RecursionError:
                passed += 1_000
                raise
            passed += end - start
            return value, end

        real = module._decode
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "_decode", decode)
            json_spans(text)
        return passed

    assert read(4_000) <= 6 * len(piece) * 4_000 + 1_000
