"""An agent that has an RLM for a tool: it decides when a question needs the whole corpus.

With OPENAI_API_KEY gpt-5-mini plays the agent and the RLM; without, scripted models.
In a clone: pip install ".[langchain]" langchain (and langchain-openai for gpt-5-mini).
"""

import os
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage

from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel

ORDERS = [f"Order {n}: {n * n % 13 + 1} crates for {['Oslo', 'Lima', 'Kyoto'][n % 3]}." for n in range(3_000)]
COUNT = """```repl
import re
crates = sum(int(re.search(r": (\\d+) crates for Lima", order["text"] + ": 0 crates for Lima")[1]) for order in context)
answer["content"] = f"{crates:,} crates go to Lima"
answer["ready"] = True
```"""


class ScriptedAgent(FakeMessagesListChatModel):
    """Calls the tool, then answers with what it returned."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self


if os.environ.get("OPENAI_API_KEY"):
    from langchain_openai import ChatOpenAI

    llm = agent_llm = ChatOpenAI(model="gpt-5-mini")
else:
    print("No OPENAI_API_KEY: scripted models play the agent and the root LM.")
    llm = ScriptedChatModel([COUNT])
    call = {"name": "ask_orders", "args": {"question": "How many crates go to Lima?"}, "id": "1"}
    agent_llm = ScriptedAgent(responses=[AIMessage("", tool_calls=[call]), AIMessage("7,002 crates.")])

ask_orders = RLMRunnable(llm=llm, context=ORDERS).as_tool(
    name="ask_orders", description="Answers a question over all 3,000 orders: counts, sums, comparisons."
)
agent = create_agent(agent_llm, tools=[ask_orders])
state = agent.invoke({"messages": [("user", "How many crates have we promised to Lima?")]})
for message in state["messages"]:
    print(f"{message.type}: {message.text or [call['name'] for call in message.tool_calls]}")
