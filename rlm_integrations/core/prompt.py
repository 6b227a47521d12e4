"""The texts that models read. They are data: files in `prompts/`, filled in here.

Data is only ever put into a text, never formatted again, so braces in a corpus stay as they are.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from rlm_integrations.core.language_model import Message

_TEXTS = {
    path.stem: path.read_text(encoding="utf-8").rstrip("\n")
    for path in (Path(__file__).parent / "prompts").glob("*.md")
}
"""Read at the import, so that no run reads a file in its user's event loop."""

FOREIGN_CHARS = 300
"""Of words that we pass on in a line of ours: an exception's, a validator's."""
_CUT = " … "


def text(name: str) -> str:
    """The prompt file of that name, without its final newline."""
    return _TEXTS[name]


@cache
def _parts(name: str) -> dict[str, str]:
    found = re.findall(r"^### (\w+)\n(.*?)(?=\n### |\Z)", text(name), re.MULTILINE | re.DOTALL)
    return dict(found)


def fill(name: str, **values: object) -> str:
    return text(name).format(**values)


def observation_part(part: str, **values: object) -> str:
    """One `### part` of `prompts/observation.md`, filled in."""
    return _parts("observation")[part].format(**values)


def number(n: int) -> str:
    """As the models read it: 1,234."""
    return f"{n:,}"


def plural(n: int, one: str, many: str | None = None) -> str:
    return f"{number(n)} {one if n == 1 else many or one + 's'}"


def listed(names: Sequence[str]) -> str:
    """As prose has it: "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def shortened(content: str, chars: int) -> str:
    """Head and tail where it is longer: what is asked often stands last."""
    if len(content) <= chars:
        return content
    tail = chars // 3
    return f"{content[: chars - tail]}{_CUT}{content[len(content) - tail :]}"


def one_line(words: str, chars: int = FOREIGN_CHARS) -> str:
    """Foreign words as they may stand beside ours, outside of a fence: a line break would let them pass for ours.

    All that `str.splitlines` takes for a line's end becomes a space. At most `chars` characters.
    """
    whole = words if len(words) <= chars else shortened(words, chars - len(_CUT))
    return " ".join(whole.splitlines())


def tag_outside(content: str) -> str:
    """Hex that does not stand in the text, which so cannot close a fence that bears it; the same for the same text."""
    data = content.encode("utf-8", "surrogatepass")
    tags = (sha256(b"%d " % attempt + data).hexdigest()[:8] for attempt in itertools.count())
    return next(tag for tag in tags if tag not in content)


@dataclass(frozen=True, slots=True)
class ToolDescription:
    """A host function of the user, as the root LM is told of it."""

    name: str
    signature: str
    description: str


def root_system(
    *,
    context_kind: str,
    depth: int,
    max_output_chars: int,
    sub_call_chars: int,
    tools: Sequence[ToolDescription] = (),
    modules: Sequence[str] = (),
    subset: str = "",
    template: str | None = None,
) -> str:
    """The root LM's system message. `context_kind` is "none", "str", "docs" or "retriever".

    `modules` and `subset` are the sandbox's: what code can import besides, and what its Python lacks. A user's
    `template` may have the placeholders of `prompts/root_system.md`; other braces in it stay as they are.
    """
    functions = [fill("depth_1", sub_chars=number(sub_call_chars))] if depth else []
    functions += [fill("tool", signature=tool.signature, description=tool.description) for tool in tools]
    functions += [f"\n{subset}"] if subset else []
    level = min(depth, 1)
    calls = "".join(f"{function}\n" for function in functions)
    unfilled = template or text("root_system")
    language = "the subset of Python described below" if subset else "the standard library"
    filled = (
        unfilled.replace("besides the standard library:", f"besides {listed([language, *modules])}:")
        .replace("{context_kind}", text(f"kind_{context_kind}"))
        .replace("{chunk_use}", text(f"chunk_use_{level}"))
        .replace("{sub_step}", text(f"step_depth_{level}"))
        .replace("{max_output_chars}", number(max_output_chars))
    )
    whole = re.sub(r"\{sub_calls\}\n?", lambda _: calls, filled)  # last: tools are data
    return f"{whole}\n\n{subset}" if subset and "{sub_calls}" not in unfilled else whole


def first_message(*, context: str, question: str, max_iterations: int, answer_schema: dict[str, Any] | None) -> str:
    """The message that holds the question: what `context` is, then what is asked."""
    if answer_schema is not None:
        schema = json.dumps(answer_schema, ensure_ascii=False)
        question = f"{question}\n\n{fill('answer_schema', schema=schema)}"
    return fill("first_message", context=context, question=question, max_iterations=plural(max_iterations, "step"))


def sub_call_messages(prompt: str) -> tuple[Message, ...]:
    return (Message("system", text("sub_system")), Message("user", prompt))
