"""A question over everything: tree_summarize reads the whole index each time, an RLM what its code finds.

With OPENAI_API_KEY or --base-url a real model answers, else a scripted one.
In a clone: pip install ".[llama-index]" (and llama-index-llms-openai-like for a real model).
"""

from __future__ import annotations

import argparse
import os

from llama_index.core import Document, Settings, SummaryIndex
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.llms import LLM

from rlm_integrations.llama_index import install
from rlm_integrations.testing.llama_index import ScriptedLLM

QUESTION = "How many shifts lost time, and what was the most frequent cause?"
CAUSES = ["a flooded level", "a broken winch", "a flooded level", "gas"]
SHIFTS = [
    Document(
        text=f"Shift {n}. {'The crew went down at six, and the pumps ran. ' * 15}"
        f"{f'Time was lost to {CAUSES[n // 17 % 4]}. ' if n % 17 == 0 else ''}"
        f"{'Nothing else is to be noted. ' * 15}",
        doc_id=f"shift-{n}",
    )
    for n in range(1, 201)
]
LOOK = "```repl\nlost = search(r'time was lost to ([a-z ]+)', limit=None)\nlost\n```"
COUNT = """```repl
from collections import Counter
causes = Counter(match.groups[0] for match in lost)
answer["content"] = llm_query(f"In one sentence: how many shifts lost time, and to what? {causes}")
answer["ready"] = True
```"""
ANSWER = "11 shifts lost time, 5 of them to a flooded level."


def model() -> LLM:
    parser = argparse.ArgumentParser()
    url = os.environ.get("OPENAI_BASE_URL")  # LlamaIndex itself knows OPENAI_API_BASE only
    parser.add_argument("--base-url", default=url, help="an OpenAI-compatible server: http://localhost:11434/v1")
    parser.add_argument("--model", default="gpt-5-mini")
    args = parser.parse_args()
    if args.base_url or os.environ.get("OPENAI_API_KEY"):
        from llama_index.llms.openai_like import OpenAILike

        key = os.environ.get("OPENAI_API_KEY", "none")
        return OpenAILike(
            model=args.model, api_base=args.base_url, api_key=key, is_chat_model=True, context_window=32_000
        )
    print("No OPENAI_API_KEY and no --base-url: a scripted model plays the part.")
    root = {2: LOOK, 4: COUNT}  # by the number of messages so far
    return ScriptedLLM(always=lambda m: root[len(m)] if "```repl" in m[0].content else ANSWER, context_window=32_000)


install()
counter = TokenCountingHandler()
Settings.llm = model()
Settings.callback_manager = CallbackManager([counter])
index = SummaryIndex.from_documents(SHIFTS)
engines = {
    "tree_summarize": index.as_query_engine(response_mode="tree_summarize"),
    "RLM": index.as_query_engine(engine="rlm"),
}
for name, engine in engines.items():
    counter.reset_counts()
    answer = engine.query(QUESTION)
    print(f"{name:14} calls: {len(counter.llm_token_counts)}, tokens: {counter.total_llm_token_count:,}. {answer}")
