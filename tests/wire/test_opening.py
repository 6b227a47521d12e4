"""How a REPL begins: what the host writes is what the worker reads, by JSON or marshalled."""

from __future__ import annotations

import json
import marshal
from typing import Any

import pytest

from rlm_integrations.wire.opening import Opening, SharedUse
from rlm_integrations.wire.settings import ReplSettings

SETTINGS = ReplSettings(
    depth=1,
    sub_call_chars=10,
    max_output_chars=20,
    step_timeout_s=1.5,
    memory_mb=64,
    tools=("t",),
    columns=(("a", "int64"), ("b", "")),
)


def test_what_was_sent_is_read_as_it_was() -> None:
    opening = Opening(SETTINGS, "documents", 2, 7, 1_000)
    assert Opening.from_json(json.loads(json.dumps(opening.to_json()))) == opening
    assert Opening.from_json(marshal.loads(marshal.dumps(opening.to_json()))) == opening


@pytest.mark.parametrize(
    "use",
    [
        SharedUse(),
        SharedUse([(3, "another id")]),
        SharedUse(picked=[(0, 1, None, "a"), None, (2, 0, 9, "b")]),
        SharedUse(picked=[]),
    ],
)
def test_what_becomes_of_shared_documents_is_read_as_it_was(use: SharedUse) -> None:
    read = SharedUse.from_value(marshal.loads(marshal.dumps(use.to_value())))
    assert ([*read.renamed], read.picked) == ([*use.renamed], use.picked)


ONE: list[dict[str, Any]] = [{"id": "1", "text": "all"}]


@pytest.mark.parametrize(
    ("kind", "documents", "context"),
    [
        ("str", ONE, "all"),
        ("str", ONE * 2, ONE * 2),  # a text beside what a retriever found
        ("documents", ONE, ONE),
        ("documents", [], []),
        ("none", [], None),
        ("none", ONE, ONE),
    ],
)
def test_a_single_text_is_shown_as_it_is(kind: str, documents: list[dict[str, Any]], context: object) -> None:
    assert Opening(SETTINGS, kind, 0, 0).shown(documents) == context
