"""LlamaIndex documents as the corpus, with no index and no embeddings; then the source nodes and the trace.

With OPENAI_API_KEY or --base-url a real model answers, else scripted ones.
In a clone: pip install ".[llama-index]" (and llama-index-llms-openai-like for a real model).
"""

from __future__ import annotations

import argparse
import os

from llama_index.core import Document
from llama_index.core.llms import LLM

from rlm_integrations import RLMTrace
from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.testing.llama_index import ScriptedLLM

QUESTION = "In which years did the pump of the east mine fail, and why? Quote the logs."
QUIET, SAND = "The pump of the east mine ran all day. " * 300, "The pump failed: sand in the valve. "
LOGS = [
    Document(text=f"Log of {year}. {QUIET}{SAND if year % 9 == 2 else ''}{QUIET}", metadata={"year": year})
    for year in range(1870, 1910)
]
LOOK = "```repl\nprint(search(r'pump failed', limit=3, around=40))\n```"
ASK = """```repl
quotes = {}
for d in context:
    at = d["text"].find("The pump failed")
    if at >= 0:
        quotes[d["metadata"]["year"]] = d["text"][at : at + 35]
        cite(quotes[d["metadata"]["year"]], doc_id=d["id"])
answer["content"] = llm_query(f"Put this into one sentence: {quotes}")
answer["ready"] = True
```"""


def models() -> tuple[LLM, LLM]:
    parser = argparse.ArgumentParser()
    url = os.environ.get("OPENAI_BASE_URL")  # LlamaIndex itself knows OPENAI_API_BASE only
    parser.add_argument("--base-url", default=url, help="an OpenAI-compatible server: http://localhost:11434/v1")
    parser.add_argument("--model", default="gpt-5-mini")
    args = parser.parse_args()
    if args.base_url or os.environ.get("OPENAI_API_KEY"):
        from llama_index.llms.openai_like import OpenAILike

        key = os.environ.get("OPENAI_API_KEY", "none")
        llm = OpenAILike(model=args.model, api_base=args.base_url, api_key=key, is_chat_model=True)
        return llm, llm
    print("No OPENAI_API_KEY and no --base-url: scripted models play the parts.")
    return ScriptedLLM([LOOK, ASK]), ScriptedLLM(["In 1874, 1883, 1892 and 1901, each time for sand in the valve."])


llm, sub_llm = models()
response = RLMQueryEngine.from_documents(LOGS, llm=llm, sub_llm=sub_llm).query(QUESTION)
print(response)
for source in response.source_nodes:
    log = source.metadata.get(
        "year", "no year: computed by code"
    )  # what code counts, without a quote, has a node of its own
    print(f"  from the log of {log}, {len(source.text):,} characters")

trace = RLMTrace.of(response)
print(f"iterations: {trace.iteration_count}, sub-calls: {trace.sub_call_count}, tokens: {trace.usage.total_tokens:,}")
