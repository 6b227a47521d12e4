"""A typed answer with its evidence: a pydantic model, and the quotes that the host has checked letter for letter.

With OPENAI_API_KEY gpt-5-mini answers; without, a scripted model. The validation and the citations are real either way.
In a clone: pip install ".[langchain]" (and langchain-openai for gpt-5-mini).
"""

import os

from langchain_core.documents import Document
from pydantic import BaseModel, Field

from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel

FILLER = "The committee met and adjourned. " * 300
MINUTES = [Document(f"{FILLER}The budget for {year} is {year * 7 % 900} crowns. {FILLER}", id=f"minutes-{year}")
           for year in range(1900, 1940)]  # fmt: skip
LOOK = "```repl\nprint(search(r'budget for', limit=2, around=40))\n```"
ANSWER = """```repl
import re
budgets = {}
for document in context:
    match = re.search(r"The budget for (\\d+) is (\\d+) crowns", document["text"])
    budgets[int(match[1])] = (int(match[2]), match[0], document["id"])
year = max(budgets, key=budgets.get)
crowns, quote, name = budgets[year]
cite(quote, name)
answer["content"] = {"year": year, "crowns": crowns}
answer["ready"] = True
```"""


class Budget(BaseModel):
    """The largest budget in the minutes."""

    year: int = Field(ge=1900, lt=1940)
    crowns: int


if os.environ.get("OPENAI_API_KEY"):
    from langchain_openai import ChatOpenAI

    llm = ChatOpenAI(model="gpt-5-mini")
else:
    print("No OPENAI_API_KEY: a scripted model answers.")
    llm = ScriptedChatModel([LOOK, ANSWER])

typed = RLMRunnable(llm=llm, context=MINUTES).with_structured_output(Budget, include_raw=True)
found = typed.invoke("In which year was the budget the largest? Cite it.")
print(repr(found["parsed"]))
for citation in found["raw"].response_metadata["rlm"]["citations"]:
    print(f"  {citation['document_id']} at {citation['start_index']}: {citation['cited_text']!r}")
