"""What a child RLM costs: one over 1,000 documents of a large corpus, beside a plain run, and a hundred side by side.

    python benchmarks/children.py [--size-mb 1000] [--row children]

A child is timed by the code that calls it, and does what the plain run does: one turn, over what it is given.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence

from rlm_integrations import RLMEngine
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.testing import ScriptedModel

DOCUMENTS, PART, AT_ONCE, TIMES = 20_000, 1_000, 100, 9
DONE = "```repl\nanswer['content'] = len(context)\nanswer['ready'] = True\n```"
PARENT = f"""```repl
import time
ids = [d["id"] for d in context[:{PART}]]

def seconds(ask, *arguments):
    began = time.perf_counter()
    ask(*arguments)
    return time.perf_counter() - began

one = sorted(seconds(rlm_query, "?", ids) for _ in range({TIMES}))[{TIMES} // 2]
many = seconds(rlm_query_batched, [("?", id) for id in ids[:{AT_ONCE}]])
answer["content"] = {{"one": one, "many": many}}
answer["ready"] = True
```"""


def corpus_of(size_mb: int) -> Corpus:
    each = size_mb * 1_000_000 // DOCUMENTS
    return Corpus.of({f"d{n}": (f"{n} " + "x" * 98 + "\n") * (each // 100) for n in range(DOCUMENTS)})


def plain_run(corpus: Corpus) -> float:
    began = time.perf_counter()
    RLMEngine(ScriptedModel([DONE])).run("?", corpus)
    return time.perf_counter() - began


def measure(size_mb: int) -> list[tuple[str, str]]:
    corpus = corpus_of(size_mb)
    plain_run(corpus)  # the first use lays out the corpus
    plain = statistics.median(plain_run(corpus) for _ in range(TIMES))
    children = ScriptedModel(always=lambda messages: DONE)
    engine = RLMEngine(ScriptedModel([PARENT]), sub_llm=children, limits={"max_depth": 2, "step_timeout_s": 600})
    took = json.loads(engine.run("?", corpus).answer)
    label = f"{DOCUMENTS:,} documents, {size_mb:,} MB: "
    return [
        (f"{label}a plain run of one turn", f"{plain * 1000:.0f} ms"),
        (f"{label}a child over {PART:,} of them", f"{took['one'] * 1000:.0f} ms, {took['one'] / plain:.2f} plain runs"),
        (f"{label}{AT_ONCE} children over one each, at once", f"{took['many']:.2f} s"),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size-mb", type=int, default=1000)
    parser.add_argument("--row", choices=["children"], help="print it as JSON")
    options = parser.parse_args(arguments)
    measured = measure(options.size_mb)
    if options.row is not None:
        sys.stdout.write(json.dumps(measured))
        return
    sys.stdout.write("| | measured |\n|---|---|\n")
    for what, figure in measured:
        sys.stdout.write(f"| {what} | {figure} |\n")


if __name__ == "__main__":
    main()
