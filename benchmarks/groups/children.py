"""What a child RLM costs: one over 1,000 documents of a large corpus, beside a plain run, and a hundred side by side.

A child is timed by the code that calls it, and does what the plain run does: one turn, over what it is given.
"""

from __future__ import annotations

import json

from benchmarks.registry import Group, Scale
from benchmarks.repeats import median_of, milliseconds
from benchmarks.row import Row
from benchmarks.table import size
from rlm_integrations import RLMEngine
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.testing import ScriptedModel

DOCUMENTS, PART, AT_ONCE, TIMES = 20_000, 1_000, 100, 9
DONE = "```repl\nanswer['content'] = len(context)\nanswer['ready'] = True\n```"


def over_1_gb(scale: Scale) -> list[Row]:
    return _measured(1_000, scale)


def over_40_mb(scale: Scale) -> list[Row]:
    return _measured(40, scale)


def _measured(mb: int, scale: Scale) -> list[Row]:
    corpus = _corpus_of(*scale.of((mb, DOCUMENTS), (1, 2 * PART)))
    _plain_run(corpus)  # the first use lays out the corpus
    plain = median_of(lambda: milliseconds(lambda: _plain_run(corpus)), scale.of(TIMES, 1))
    children = ScriptedModel(always=lambda messages: DONE)
    code = _parent(scale.of(AT_ONCE, 2), scale.of(TIMES, 1))
    engine = RLMEngine(ScriptedModel([code]), sub_llm=children, limits={"max_depth": 2, "step_timeout_s": 600})
    took = json.loads(engine.run("?", corpus).answer)
    label = f"{DOCUMENTS:,} documents, {size(mb)}: "
    beside = {"a plain run": plain}
    return [
        Row(f"{label}a child over {PART:,} of them", "ms", took["one"] * 1_000, beside, ratio_bound=2),
        Row(f"{label}{AT_ONCE} children over one each, at once", "ms", took["many"] * 1_000, beside),
    ]


def _corpus_of(mb: int, documents: int) -> Corpus:
    each = mb * 1_000_000 // documents
    return Corpus.of({f"d{n}": (f"{n} " + "x" * 98 + "\n") * (each // 100) for n in range(documents)})


def _plain_run(corpus: Corpus) -> None:
    RLMEngine(ScriptedModel([DONE])).run("?", corpus)


def _parent(at_once: int, times: int) -> str:
    return f"""```repl
import time
ids = [d["id"] for d in context[:{PART}]]

def seconds(ask, *arguments):
    began = time.perf_counter()
    ask(*arguments)
    return time.perf_counter() - began

one = sorted(seconds(rlm_query, "?", ids) for _ in range({times}))[{times} // 2]
many = seconds(rlm_query_batched, [("?", id) for id in ids[:{at_once}]])
answer["content"] = {{"one": one, "many": many}}
answer["ready"] = True
```"""


GROUP = Group("Child RLMs", (over_1_gb, over_40_mb))
