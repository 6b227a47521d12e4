"""Progress in a terminal while a run goes on, then the answer as it is streamed. Any chain with an RLM in it will do.

With OPENAI_API_KEY gpt-5-mini answers; without, a scripted model.
In a clone: pip install ".[langchain]" (and langchain-openai for gpt-5-mini).
"""

import asyncio
import os

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from rlm_integrations.langchain import RLMRunnable, collect_rlm_traces
from rlm_integrations.testing.langchain import ScriptedChatModel

LETTERS = [f"Letter {n}. {'The weather is fine. ' * 400}Yours, {['Ada', 'Bo', 'Cy'][n % 3]}" for n in range(30)]
LOOK = "```repl\nprint(context[0]['text'][-40:])\n```"
ASK = """```repl
writers = llm_query_batched([f"Who signed this? {letter['text'][-40:]}" for letter in context])
print(writers[:3])
```"""
ANSWER = """```repl
from collections import Counter
answer["content"] = ", ".join(f"{name} wrote {count}" for name, count in sorted(Counter(writers).items()))
answer["ready"] = True
```"""

if os.environ.get("OPENAI_API_KEY"):
    from langchain_openai import ChatOpenAI

    llm = sub_llm = ChatOpenAI(model="gpt-5-mini")
else:
    print("No OPENAI_API_KEY: scripted models play the parts.")
    llm, sub_llm = ScriptedChatModel([LOOK, ASK, ANSWER]), ScriptedChatModel(always=lambda m: m[-1].content.split()[-1])

rlm = RLMRunnable(llm=llm, sub_llm=sub_llm, context=LETTERS)
chain = ChatPromptTemplate.from_template("{question}") | rlm | StrOutputParser()


async def main() -> None:
    async for event in chain.astream_events({"question": "How many letters did each of them write?"}, version="v2"):
        if event["name"] == "rlm_iteration":
            told = event["data"]
            so_far = f"sub-calls: {told['sub_calls']}, tokens: {told['total_tokens']}"
            print(f"  iteration {told['iteration']}, so far {so_far}")
        elif event["event"] == "on_chain_stream" and not event["parent_ids"]:
            print(event["data"]["chunk"], end="", flush=True)
    print()


with collect_rlm_traces() as traces:  # the chain ends in a str: its trace is had so
    asyncio.run(main())
print(f"sub-calls: {traces[0].sub_call_count}, {traces[0].stop_reason}")
