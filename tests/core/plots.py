"""Runs over plots of land whose root LM asks children."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rlm_integrations import Message, RLMEngine, RLMResult, RLMTrace
from rlm_integrations.testing import ScriptedModel

PLOTS = {
    f"plot-{n}": f"Plot {n}.\n" + "Nothing of note.\n" * 100 + f"The rent is {n * 10} pounds.\n" for n in range(60)
}
"""Larger than what is sent along with each REPL."""
FIND_RENT = r"""
found = search(r"rent is (\d+)", limit=None)
assert len(found) == len(context), found
cite(found[0].text, found[0].id)
answer["content"] = ", ".join(m.groups[0] for m in found)
answer["ready"] = True
"""
FINISH = 'answer["content"] = got\nanswer["ready"] = True'

Sub = Callable[[Sequence[Message]], str]


def repl(code: str) -> str:
    return f"```repl\n{code}\n```"


def children(reply: str | Sub) -> ScriptedModel:
    return ScriptedModel(always=reply if callable(reply) else lambda messages: repl(reply))


def run(code: str, child: str | Sub, context: object = PLOTS, **limits: Any) -> RLMResult[str]:
    """A run whose root LM runs this code and answers with its `got`."""
    with ScriptedModel([repl(f"{code}\n{FINISH}")]) as llm:
        engine = RLMEngine(llm, sub_llm=children(child), limits={"max_depth": 2, **limits})
        return engine.run("?", context)


def all_calls(trace: RLMTrace) -> list[Any]:
    return [call for node in trace.tree() for execution in node.executions for call in execution.sub_calls]
