"""Simulated models: a reader that is a function of its prompt alone, and a root LM that writes code by hand-made rules.

The reader is the same for every method. It overlooks items, and takes some for another kind, more often the longer
its prompt is and the more items there are in it; it refuses what exceeds its window. How fast it gets worse is made up:
what it shows is how methods behave with *a* reader that gets worse, and nothing of any model by name.

The root LM sees exactly the messages of a root LM: it finds the question there, and whether it may call sub-LMs, or
child RLMs. The code it writes is what a good programmer would write who knows this kind of question; now and then it
has a slip, which it mends when it sees the error.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from random import Random
from typing import TypeVar

from evals.tasks import FAMILIES, Family
from rlm_integrations import Completion, Message
from rlm_integrations.core.usage import Usage

T = TypeVar("T")
CHARS_PER_TOKEN = 4
_QUESTION = re.compile(r"^Question:\n(.+?)(?=\n\nYou have |\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Skill:
    """How well a reader reads. Shares are of items."""

    floor: float = 0.002
    """Overlooked in the shortest prompt."""
    at_window: float = 0.25
    """Overlooked besides in a prompt that fills 131,072 tokens; less in proportion in shorter ones."""
    for_many: float = 0.02
    """Besides, for each doubling of the items beyond 64."""
    window: int = 131_072
    """Tokens."""

    def missed(self, tokens: int, items: int) -> float:
        """The share of so many items that is overlooked, or taken for something else, in a prompt of so many tokens."""
        if self is PERFECT:
            return 0.0
        crowd = self.for_many * math.log2(items / 64) if items > 64 else 0.0
        return min(0.95, self.floor + self.at_window * tokens / 131_072 + crowd)


PERFECT = Skill(0.0, 0.0, 0.0)
USUAL = Skill()


class PromptEye:
    """How one prompt is read."""

    def __init__(self, prompt: str, skill: Skill) -> None:
        self._skill, self._tokens = skill, len(prompt) // CHARS_PER_TOKEN
        self._chance = Random(_digest(prompt))

    def noticed(self, items: Sequence[T]) -> list[T]:
        missed = self._skill.missed(self._tokens, len(items))
        return [item for item in items if self._chance.random() >= missed]

    def taken_for(self, value: str, others: Sequence[str], items: int) -> str:
        if self._chance.random() >= self._skill.missed(self._tokens, items):
            return value
        return self._chance.choice(others)


class WindowExceededError(Exception):
    """As servers say it."""

    def __init__(self, tokens: int, window: int) -> None:
        super().__init__(f"This model's maximum context length is {window} tokens; your messages have {tokens}.")


class Simulated:
    """A LanguageModel for both roles. What its prompt is, it knows by the prompt.

    `slips`: the share of a root LM's replies whose code raises, which it mends. `lost`: the share of its questions that
    it writes no code for, and gives up on.
    """

    def __init__(self, skill: Skill = USUAL, slips: float = 0.05, lost: float = 0.0) -> None:
        self.skill, self._slips, self._lost = skill, slips, lost
        self.model = self.name = "simulated"
        self.max_input_tokens = skill.window
        self.longest = 0
        """Tokens of the longest prompt so far."""

    async def complete(self, messages: Sequence[Message]) -> Completion:
        prompt = unfenced("\n\n".join(message.content for message in messages))
        tokens = sum(len(message.content) for message in messages) // CHARS_PER_TOKEN
        if tokens > self.skill.window:
            raise WindowExceededError(tokens, self.skill.window)
        self.longest = max(self.longest, tokens)
        if "```repl" in messages[0].content:
            reply = coded(messages, prompt, self._slips, self._lost)
        else:
            reply = read(messages, PromptEye(prompt, self.skill))
        usage = Usage(input_tokens=max(1, tokens), output_tokens=max(1, len(reply) // CHARS_PER_TOKEN))
        return Completion(reply, usage, self.model)


def unfenced(prompt: str) -> str:
    """The prompt without the tags of its fences, which are a chance of the process."""
    return re.sub(r"<(/?)(documents?|text|part|notes|output|check) [0-9a-f]{8}", r"<\1\2", prompt)


def asked_in(text: str) -> tuple[str, str]:
    """What stands above the last question of a prompt, and the question. Raises ValueError where there is none."""
    found = list(_QUESTION.finditer(text))
    if not found:
        raise ValueError(f"no question in a prompt that begins with {text[:80]!r}")
    return text[: found[-1].start()], found[-1][1].strip()


def family_of(question: str) -> Family:
    """Raises ValueError for a question of none of them."""
    for family in FAMILIES:
        if family.knows(question):
            return family
    raise ValueError(f"no family knows the question {question[:80]!r}")


def read(messages: Sequence[Message], eye: PromptEye) -> str:
    """The reply of a reader: notes where it is told that it has a part, else the answer."""
    text, question = asked_in(messages[-1].content)
    family = family_of(question)
    notes = family.notes(question, text, eye)
    if re.match(r"Part \d+ of \d+:", messages[-1].content):
        return "\n".join(notes) or "NOTHING"
    return family.answer(question, notes) or "unknown"


def coded(messages: Sequence[Message], prompt: str, slips: float, lost: float) -> str:
    """The reply of a root LM: all that there is to do is in one step, and is done again where that raised."""
    _, question = asked_in(messages[1].content)
    if Random(_digest(f"{question} lost?")).random() < lost:
        return "FINAL(I do not know.)"
    depth = 2 if "rlm_query" in messages[0].content else int("llm_query" in messages[0].content)
    slipped = Random(_digest(f"{prompt} slips?")).random() < slips
    slip = "print(no_such_name)\n" if slipped else ""
    return f"```repl\n{slip}{family_of(question).code(question, depth)}\n```"


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
