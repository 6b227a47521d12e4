"""What importing takes: whole programs that do nothing else, beside what their users import anyway. They take turns."""

from __future__ import annotations

from functools import partial

from benchmarks.programs import ended
from benchmarks.registry import Group, Scale
from benchmarks.repeats import alternating
from benchmarks.row import OURS, Row

CASES = {
    "import rlm_integrations": ("python alone", "pass"),
    "from rlm_integrations import RLMEngine": ("pydantic", "import pydantic"),
    "from rlm_integrations.langchain import RLMRunnable": (
        "LangChain's own",
        "from langchain_core import language_models, retrievers, runnables, tools",
    ),
    "from rlm_integrations.llama_index import RLMQueryEngine": ("LlamaIndex's own", "import llama_index.core"),
    "from rlm_integrations.openai import OpenAIModel": ("openai's own", "import openai.resources.chat.completions"),
}
"""A program, what its user imports anyway, and that as a program."""


def programs(scale: Scale) -> list[Row]:
    rows: list[Row] = []
    for ours, (other, theirs) in list(CASES.items())[: scale.of(len(CASES), 1)]:
        compared = {OURS: partial(_cpu_ms, ours), other: partial(_cpu_ms, theirs)}
        taken = alternating(compared, scale.of(7, 1))
        rows.append(Row(f"`{ours}`: CPU time of the program", "ms", taken.pop(OURS), taken))
    return rows


def _cpu_ms(program: str) -> float:
    return ended(program).cpu_seconds * 1_000


GROUP = Group("Imports", (programs,))
