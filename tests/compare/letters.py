"""Letters, a question about them, and a model that reads them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rlm_integrations import Message
from rlm_integrations.compare import Comparison
from rlm_integrations.testing import ScriptedModel

QUESTION = "Which letter has the word HERON?"
LETTERS = {
    f"letter-{n}": f"Letter {n}. {'The word is HERON.' if n == 41 else 'Nothing.'} " + f"Regards {n}. " * 60
    for n in range(60)
}
PRICES: Any = {"llm": {"input_price": 1.0, "output_price": 10.0}}
CODE = """```repl
found = search("HERON")[0]
cite(found.text, found.id)
answer["content"] = found.id
answer["ready"] = True
```"""


def reads(messages: Sequence[Message]) -> str:
    """A model that finds the word where it is in what it is shown."""
    if "```repl" in messages[0].content:
        return CODE
    text = messages[-1].content
    found = re.search(r"\[(letter-\d+)\]\n(?:(?!\n\[).)*?The word is HERON", text, re.DOTALL)
    if found is None:
        return "NOTHING" if "<part " in text else "It is not there."
    if "<part " in text:
        return f"[{found[1]}]\nThe word is HERON."
    return f"{found[1]}\n\n<evidence>\n[{found[1]}] The word is HERON.\n</evidence>"


def model(**options: Any) -> ScriptedModel:
    return ScriptedModel(always=reads, max_input_tokens=128_000, **options)


def all_of(comparison: Comparison, name: str) -> dict[str, Any]:
    return {each.method: getattr(each, name) for each in comparison.attempts}


async def by_function(question: str, k: int) -> list[str]:
    return [*LETTERS.values()][:k]
