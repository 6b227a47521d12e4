"""A LlamaIndex RAG engine, swapped for an RLM by one word: a count over everything, which no top-k can give.

With OPENAI_API_KEY or --base-url a real model answers, else a scripted one.
In a clone: pip install ".[llama-index]" (and llama-index-llms-openai-like for a real model).
"""

from __future__ import annotations

import argparse
import os

from llama_index.core import Document, Settings, SimpleKeywordTableIndex
from llama_index.core.llms import LLM

from rlm_integrations.llama_index import install
from rlm_integrations.testing.llama_index import ScriptedLLM

QUESTION = "How many tickets ask for a refund?"
WISHES = ["asks for a refund of order", "wants to know the state of order", "asks for an invoice for order"]
TICKETS = [
    Document(
        text=f"Ticket {n}: the customer {WISHES[n % 3]} {7 * n}. " + "They were polite. " * 20, doc_id=f"ticket-{n}"
    )
    for n in range(400)
]
COUNT = """```repl
refunds = [d for d in context if "asks for a refund" in d["text"]]
answer["content"] = f"{len(refunds)} of {len(context)} tickets ask for a refund."
answer["ready"] = True
```"""


def model() -> LLM:
    parser = argparse.ArgumentParser()
    url = os.environ.get("OPENAI_BASE_URL")  # LlamaIndex itself knows OPENAI_API_BASE only
    parser.add_argument("--base-url", default=url, help="an OpenAI-compatible server: http://localhost:11434/v1")
    parser.add_argument("--model", default="gpt-5-mini")
    args = parser.parse_args()
    if args.base_url or os.environ.get("OPENAI_API_KEY"):
        from llama_index.llms.openai_like import OpenAILike

        key = os.environ.get("OPENAI_API_KEY", "none")
        return OpenAILike(model=args.model, api_base=args.base_url, api_key=key, is_chat_model=True)
    print("No OPENAI_API_KEY and no --base-url: a scripted model plays the part.")
    return ScriptedLLM(
        always=lambda m: (
            COUNT if "```repl" in m[0].content else f"{m[-1].content.count('for a refund of')}, of those shown."
        )
    )


install()  # importing rlm_integrations.llama_index has done it already
Settings.llm = model()
index = SimpleKeywordTableIndex.from_documents(TICKETS)  # an index that needs no embedding model

print("RAG:", index.as_query_engine().query(QUESTION))
print("RLM:", index.as_query_engine(engine="rlm").query(QUESTION))
