"""A router between RAG and RLM over one index: lookups go to the cheap engine, questions over everything to the other.

With OPENAI_API_KEY or --base-url a real model answers, else a scripted one.
In a clone: pip install ".[llama-index]" (and llama-index-llms-openai-like for a real model).
"""

from __future__ import annotations

import argparse
import os
import re

from llama_index.core import Document, Settings, SimpleKeywordTableIndex
from llama_index.core.llms import LLM
from llama_index.core.query_engine import RouterQueryEngine
from llama_index.core.tools import QueryEngineTool

from rlm_integrations.llama_index import install
from rlm_integrations.testing.llama_index import ScriptedLLM

QUESTIONS = ["Where does supplier 137 deliver from?", "Which town do most suppliers deliver from?"]
TOWNS = ["Graz", "Linz", "Graz", "Wels", "Graz"]
SUPPLIERS = [
    Document(text=f"Supplier {n} delivers from {TOWNS[n % 5]}, within {n % 9 + 1} days.", doc_id=f"supplier-{n}")
    for n in range(1, 301)
]
COUNT = """```repl
from collections import Counter
towns = Counter(m.groups[0] for m in search(r"delivers from (\\w+)", limit=None))
answer["content"] = "%s, with %d of them." % towns.most_common(1)[0]
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

    def reply(messages: list) -> str:
        if "```repl" in messages[0].content:
            return COUNT
        if "choices" in messages[0].content:
            return f'[{{"choice": {2 if "most suppliers" in messages[0].content else 1}, "reason": "it fits"}}]'
        shown = re.search(r"Supplier 137 delivers from (\w+)", messages[-1].content)
        return f"From {shown[1]}." if shown else "That does not stand here."

    return ScriptedLLM(always=reply)


install()
Settings.llm = model()
index = SimpleKeywordTableIndex.from_documents(SUPPLIERS)  # an index that needs no embedding model
tools = [
    QueryEngineTool.from_defaults(
        index.as_query_engine(), name="lookup", description="Finds what is said of one supplier that is named."
    ),
    QueryEngineTool.from_defaults(
        index.as_query_engine(engine="rlm"),
        name="overview",
        description="Counts, compares and sums up over all the suppliers. Slower.",
    ),
]
router = RouterQueryEngine.from_defaults(tools)
for question in QUESTIONS:
    response = router.query(question)
    chosen = "RLM" if "rlm" in response.metadata else "RAG"
    print(f"{question} {chosen}: {response}")
