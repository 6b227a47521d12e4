"""LangChain documents as the corpus; then the citations and the trace, read back.

With OPENAI_API_KEY or --base-url a real model answers, else scripted ones.
In a clone: pip install ".[langchain]" (and langchain-openai for a real model).
"""

from __future__ import annotations

import argparse
import os

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel

from rlm_integrations import RLMTrace
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel

QUESTION = "Which contracts can be ended at the shortest notice? Quote the clause of each."
CLAUSE = "Either party may end this contract with {} days' notice."
FILLER = "The parties keep each other informed of changes of address. " * 200
CONTRACTS = [
    Document(f"{FILLER}{CLAUSE.format(30 * (1 + n % 7))} {FILLER}", id=f"contract-{n:02}") for n in range(1, 41)
]
LOOK = "```repl\nprint(search(r'end this contract', limit=3, around=40))\n```"
ASK = """```repl
import re
found = {d["id"]: re.search(r"Either party may end this contract with (\\d+) days' notice", d["text"]) for d in context}
shortest = min(int(match[1]) for match in found.values())
ids = [name for name, match in found.items() if int(match[1]) == shortest]
for name in ids:
    cite(found[name][0], doc_id=name)
answer["content"] = llm_query("Put this into one sentence: %d days' notice: %s" % (shortest, ", ".join(ids)))
answer["ready"] = True
```"""


def models() -> tuple[BaseChatModel, BaseChatModel]:
    parser = argparse.ArgumentParser()
    parser.add_argument("--base-url", help="an OpenAI-compatible server, for instance http://localhost:11434/v1")
    parser.add_argument("--model", default="gpt-5-mini")
    args = parser.parse_args()
    if args.base_url or os.environ.get("OPENAI_API_KEY"):
        from langchain_openai import ChatOpenAI

        llm = ChatOpenAI(model=args.model, base_url=args.base_url, api_key=os.environ.get("OPENAI_API_KEY", "none"))
        return llm, llm
    print("No OPENAI_API_KEY and no --base-url: scripted models play the parts.")
    said = ScriptedChatModel(always=lambda m: m[-1].content.removeprefix("Put this into one sentence: ") + ".")
    return ScriptedChatModel([LOOK, ASK]), said


llm, sub_llm = models()
message = RLMRunnable(llm=llm, sub_llm=sub_llm, context=CONTRACTS).invoke(QUESTION)
print(message.content)
for citation in message.response_metadata["rlm"]["citations"]:
    print(f"  {citation['document_id']} at {citation['start_index']}: {citation['cited_text']!r}")

trace = RLMTrace.of(message)
print(f"iterations: {trace.iteration_count}, sub-calls: {trace.sub_call_count}, tokens: {trace.usage.total_tokens:,}")
