"""A corpus for an agent, by middleware: the agent's own model reads it where a question needs all of it.

With OPENAI_API_KEY gpt-5-mini plays the agent and the RLM; without, scripted models.
In a clone: pip install ".[langchain]" langchain (and langchain-openai for gpt-5-mini).
"""

import os
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage

from rlm_integrations import RLMTrace
from rlm_integrations.langchain import RLMMiddleware
from rlm_integrations.testing.langchain import ScriptedChatModel

REVIEWS = {
    f"review-{n}": f"{['Tent', 'Lamp', 'Stove'][n % 3]}: {'the zip broke' if n % 7 == 2 else 'all fine'}, "
    f"{n * n % 5 + 1} stars."
    for n in range(2_000)
}
TALLY = """```repl
from collections import Counter
broken = Counter(d["text"].split(":")[0] for d in context if "zip broke" in d["text"])
answer["content"] = ", ".join(f"{name} {count}" for name, count in broken.most_common())
answer["ready"] = True
```"""


class ScriptedAgent(FakeMessagesListChatModel):
    """Calls the tool, then answers with what it returned."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self


if os.environ.get("OPENAI_API_KEY"):
    agent_llm, llm = "openai:gpt-5-mini", None  # the agent's own model reads the corpus
else:
    print("No OPENAI_API_KEY: scripted models play the agent and the root LM.")
    call = {"name": "ask_reviews", "args": {"question": "How many broken zips has each product?"}, "id": "1"}
    agent_llm = ScriptedAgent(responses=[AIMessage("", tool_calls=[call]), AIMessage("The stove, with 96.")])
    llm = ScriptedChatModel([TALLY])

agent = create_agent(agent_llm, middleware=[RLMMiddleware(REVIEWS, llm=llm, tool_name="ask_reviews")])
state = agent.invoke({"messages": [("user", "Which product has the most broken zips?")]})
for message in state["messages"]:
    print(f"{message.type}: {message.text or [call['name'] for call in message.tool_calls]}")
    if message.type == "tool":
        trace = RLMTrace.of(message)
        print(f"  over {trace.context}, iterations: {trace.iteration_count}")
