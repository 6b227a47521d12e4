"""A classic RAG chain, and the RLM that takes its place in two lines: the question needs all tickets, RAG sees four.

With OPENAI_API_KEY or --base-url a real model answers, else a scripted one.
In a clone: pip install ".[langchain]" (and langchain-openai for a real model).
"""

from __future__ import annotations

import argparse
import os

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnablePassthrough

from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel

QUESTION = "Which product has the most tickets that ask for a refund, and how many?"
PRODUCTS = ["kettle", "toaster", "kettle", "mixer", "lamp"]
WISHES = ["asks for a refund", "praises it", "asks how it starts", "needs a part"]
TICKETS = [Document(f"Ticket {n}: owner of a {PRODUCTS[n % 5]} {WISHES[n * n % 7 % 4]}.") for n in range(1, 1_201)]
CODE = """```repl
import re
from collections import Counter
found = re.findall(r"owner of a (\\w+) asks for a refund", "\\n".join(ticket["text"] for ticket in context))
counts = Counter(found)
answer["content"] = "The %s, with %d tickets." % counts.most_common(1)[0]
answer["ready"] = True
```"""


def chat_model() -> BaseChatModel:
    parser = argparse.ArgumentParser()
    parser.add_argument("--base-url", help="an OpenAI-compatible server, for instance http://localhost:11434/v1")
    parser.add_argument("--model", default="gpt-5-mini")
    args, key = parser.parse_args(), os.environ.get("OPENAI_API_KEY")
    if not (args.base_url or key):
        print("No OPENAI_API_KEY and no --base-url: a scripted model plays both parts.")
        shown = "The kettle, going by the {} tickets that I was shown."
        return ScriptedChatModel(always=lambda m: CODE if len(m) > 1 else shown.format(m[0].content.count("Ticket ")))
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model=args.model, base_url=args.base_url, api_key=key or "none")


llm = chat_model()
retriever = RunnableLambda(lambda question: [ticket for ticket in TICKETS if "refund" in ticket.page_content][:4])
prompt = ChatPromptTemplate.from_template("Tickets:\n{context}\n\nQuestion: {question}")
rag = {"context": retriever, "question": RunnablePassthrough()} | prompt | llm | StrOutputParser()
print("RAG, over 4 tickets:    ", rag.invoke(QUESTION))

rlm = RLMRunnable(llm=llm, context=TICKETS)
chain = rlm | StrOutputParser()
print("RLM, over 1,200 tickets:", chain.invoke(QUESTION))
