"""An RLM as a node of a LangGraph graph: a conversation over a corpus, kept by a checkpointer, with progress.

With OPENAI_API_KEY gpt-5-mini answers; without, a scripted model.
In a clone: pip install ".[langchain]" langgraph (and langchain-openai for gpt-5-mini).
"""

import os

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel

LOG = "\n".join(f"{hour:02}:{minute:02} {'ERROR disk full' if hour * minute % 97 == 5 else 'ok'}"
                for hour in range(24) for minute in range(60))  # fmt: skip
QUESTIONS = ["How many errors are in the log?", "And when was the first of them?"]
FIND = (
    "```repl\nerrors = [line for line in context.splitlines() if 'ERROR' in line]\nprint(len(errors), errors[:2])\n```"
)
COUNT = "```repl\nanswer['content'] = f'{len(errors)} errors.'\nanswer['ready'] = True\n```"
FIRST = "```repl\nanswer['content'] = search('ERROR', limit=1)[0].line\nanswer['ready'] = True\n```"

if os.environ.get("OPENAI_API_KEY"):
    from langchain_openai import ChatOpenAI

    llm = ChatOpenAI(model="gpt-5-mini")
else:
    print("No OPENAI_API_KEY: a scripted model answers.")
    llm = ScriptedChatModel([FIND, COUNT, FIRST])

graph = StateGraph(MessagesState)
graph.add_node("rlm", RLMRunnable(llm=llm, context=LOG).as_node())
graph.add_edge(START, "rlm")
chat = graph.compile(checkpointer=InMemorySaver())

thread = {"configurable": {"thread_id": "1"}}
for question in QUESTIONS:
    print(f"> {question}")
    asked = {"messages": [("user", question)]}
    for kind, part in chat.stream(asked, thread, stream_mode=["custom", "messages"]):
        if kind == "custom":
            print(f"  iteration {part['rlm_iteration']['iteration']}")
        else:
            print(part[0].text)
print(f"{len(chat.get_state(thread).values['messages'])} messages in the thread")
