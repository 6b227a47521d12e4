"""A reply of millions of characters of JSON is no code: it is not read as such, which would hold all threads up."""

from __future__ import annotations

import json

import pytest

from rlm_integrations.core.loop.code_in_json import codes_in_json, out_of_json

CODE = "answer['content'] = len(context)"


@pytest.mark.parametrize("more", ["1, " * 400_000, '[{"a": 1}], ' * 100_000])
def test_it_is_not_read(more: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert codes_in_json(json.dumps({"code": CODE}), ()) == [CODE]

    def loads(*_: object, **__: object) -> None:
        raise AssertionError("it was read")

    monkeypatch.setattr(json, "loads", loads)
    assert codes_in_json(f"[{more}1]", ()) == []
    fenced = f'{{"a": [{more}1], "b": "```repl\\n1\\n```"}}'
    assert out_of_json(fenced) == fenced
