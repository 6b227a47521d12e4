"""An agent that has a query engine over a long corpus as its tool, and cites from it.

With OPENAI_API_KEY or --base-url a real model answers, else scripted ones.
In a clone: pip install ".[llama-index]" (and llama-index-llms-openai-like for a real model).
"""

from __future__ import annotations

import argparse
import asyncio
import os

from llama_index.core import Document
from llama_index.core.agent.workflow import FunctionAgent, ToolCallResult
from llama_index.core.llms import LLM
from llama_index.core.tools import QueryEngineTool

from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.testing.llama_index import ScriptedLLM, tool_call

QUESTION = "May I leave my bicycle in the stairwell? I live in house 12."
RULE = "bicycles may stand in the stairwell from October to March"
HOUSES = [
    Document(text=f"Rules of house {n}. {'Keep quiet after ten. ' * 400}In this house {RULE}.", doc_id=f"house-{n}")
    if n % 6 == 0
    else Document(text=f"Rules of house {n}. {'Keep the stairwell free. ' * 400}", doc_id=f"house-{n}")
    for n in range(1, 41)
]
READ = f"""```repl
rule = cite("{RULE}", "house-12")
answer["content"] = f"In house 12 {{rule}} [[{{rule}}]]."
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
        llm = OpenAILike(
            model=args.model, api_base=args.base_url, api_key=key, is_chat_model=True, is_function_calling_model=True
        )
        return llm, llm
    print("No OPENAI_API_KEY and no --base-url: scripted models play the parts.")
    asking = tool_call("house_rules", input="Are bicycles allowed in the stairwell of house 12?")
    agent = ScriptedLLM([asking, "Yes, from October to March."], is_function_calling_model=True)
    return agent, ScriptedLLM([READ])


async def main() -> None:
    llm, root_llm = models()
    engine = RLMQueryEngine.from_documents(HOUSES, llm=root_llm, inline_citations=True)
    tool = QueryEngineTool.from_defaults(
        engine, name="house_rules", description="Answers from the rules of all houses."
    )
    agent = FunctionAgent(tools=[tool], llm=llm)
    handler = agent.run(QUESTION)
    async for event in handler.stream_events():
        if isinstance(event, ToolCallResult):
            response = event.tool_output.raw_output
            print(f"The tool: {response}")
            for number, source in enumerate(response.source_nodes, 1):
                if f"[{number}]" in str(response):  # the others were looked at, and not cited
                    print(f"  [{number}] {source.node_id}")
    print(f"The agent: {await handler}")


asyncio.run(main())
