"""A summary of a run with child RLMs keeps the totals, and fits its bound however many there were."""

from __future__ import annotations

import json

import pytest

from rlm_integrations import RLMEngine
from rlm_integrations.core.trace.summary import SUMMARY_BYTES, summarise
from rlm_integrations.testing import ScriptedModel


@pytest.mark.parametrize("children", [1, 40])
def test_a_summary_keeps_the_totals_of_children(children: int) -> None:
    code = f"got = rlm_query_batched([('?' * 300, d) for d in context[:{children}]])\nFINAL(got)"
    child = "```repl\nprint('x' * 3000)\nFINAL(llm_query('?') + context[0]['id'])\n```"
    sub = ScriptedModel(
        always=lambda messages: child if len(messages) > 2 or "document" in messages[1].content else "r"
    )
    docs = {f"d{n}": f"document {n}\n" + "a line\n" * 400 for n in range(children)}
    with ScriptedModel([f"```repl\n{code}\n```"]) as llm:
        trace = RLMEngine(llm, sub_llm=sub, limits={"max_depth": 2}).run("?", docs).trace
    assert (trace.sub_call_count, trace.failed_sub_call_count) == (2 * children, 0)
    summary = summarise(trace)
    assert len(json.dumps(summary.model_dump(mode="json"))) <= SUMMARY_BYTES
    assert (summary.sub_call_count, summary.usage) == (trace.sub_call_count, trace.usage)
    assert summarise(summary).sub_call_count == trace.sub_call_count
