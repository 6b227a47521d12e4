"""Who plays the model where none is asked: written replies as the root LM, known meanings as the sub-calls."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rlm_integrations.core.language_model import Message
from rlm_integrations.demo.messages import DATA, read_messages
from rlm_integrations.testing import ScriptedModel

_message = re.compile(r"^\[(\d++)\] (.*+)$", re.MULTILINE)


def scripted_root() -> ScriptedModel:
    """Says what data/reply_*.md hold, one after the other."""
    return ScriptedModel([(DATA / f"reply_{n}.md").read_text(encoding="utf-8") for n in (1, 2, 3)], model="script")


def scripted_reader() -> ScriptedModel:
    """Judges each line "[number] text" of a prompt by what its hand-written text is known to mean."""
    meanings = {message.text: message.category for message in read_messages()}

    def judge(messages: Sequence[Message]) -> str:
        found = _message.findall(messages[-1].content)
        return "\n".join(f"{n}: {'leaving' if meanings[text] == 'leaving' else 'stays'}" for n, text in found)

    return ScriptedModel(always=judge, model="script")
