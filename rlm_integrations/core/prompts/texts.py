"""The texts that models read. They are data: files in `prompts/`, filled in here.

Data is only ever put into a text, never formatted again, so braces in a corpus stay as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from pathlib import Path
from textwrap import indent
from typing import Any

from rlm_integrations.core.image import Image
from rlm_integrations.core.language_model import CodeProtocol, Message, ToolSpec
from rlm_integrations.core.wording import listed, number, one_line, plural
from rlm_integrations.frozen import frozen

_TEXTS = {path.stem: path.read_text(encoding="utf-8").rstrip("\n") for path in Path(__file__).parent.glob("*.md")}
"""Read at the import, so that no run reads a file in its user's event loop."""
_FEW_SUB_CALLS = 100
_DESCRIPTION_CHARS = 200
_SUB_CALLS = re.compile(r"\{sub_calls\}\n?")
_FENCED = re.compile(r"^```repl\n(.*?)\n```$", re.MULTILINE | re.DOTALL)


def text(name: str) -> str:
    """The prompt file of that name, without its final newline."""
    return _TEXTS[name]


def all_texts() -> Iterable[str]:
    """All of ours, with their placeholders."""
    return _TEXTS.values()


@cache
def _parts(name: str) -> dict[str, str]:
    found = re.findall(r"^### (\w+)\n(.*?)(?=\n### |\Z)", text(name), re.MULTILINE | re.DOTALL)
    return dict(found)


def fill(name: str, **values: object) -> str:
    return text(name).format(**values)


def protocol_part(protocol: CodeProtocol, part: str, **values: object) -> str:
    """One `### part` of `prompts/fence_protocol.md` or `prompts/tool_protocol.md`, filled in."""
    return _parts(f"{protocol}_protocol")[part].format(**values)


def nudge(name: str, protocol: CodeProtocol, **values: object) -> str:
    """The text of that name, which says what a step is, for a root LM that hands over code so."""
    a_step = protocol_part(protocol, "a_step")
    sentence = a_step[0].upper() + a_step[1:]
    ours, like_this = with_examples(text(name), protocol), protocol_part(protocol, "like_this")
    return ours.format(a_step=a_step, a_step_is_so=sentence, like_this=like_this, **values)


def with_examples(ours: str, protocol: CodeProtocol) -> str:
    """Our text with its examples as the root LM is to write code: in fences, or bare, as a tool's argument."""
    return ours if protocol == "fence" else _FENCED.sub(lambda block: indent(block[1], "    "), ours)


PYTHON_TOOL = ToolSpec(
    "python",
    protocol_part("tool", "description"),
    {
        "type": "object",
        "properties": {"code": {"type": "string", "description": protocol_part("tool", "code")}},
        "required": ["code"],
    },
)
"""The one tool of a root LM that hands over code by calling a tool."""


def observation_part(part: str, **values: object) -> str:
    """One `### part` of `prompts/observation.md`, filled in."""
    return _parts("observation")[part].format(**values)


def images_part(part: str, **values: object) -> str:
    """One `### part` of `prompts/images.md`, filled in."""
    return _parts("images")[part].rstrip("\n").format(**values)


def fold_part(part: str, **values: object) -> str:
    """One `### part` of `prompts/fold.md`, filled in."""
    return _parts("fold")[part].format(**values)


def direct_part(part: str, **values: object) -> str:
    """One `### part` of `prompts/direct.md`, filled in."""
    return _parts("direct")[part].rstrip("\n").format(**values)


def tool_round_part(part: str, **values: object) -> str:
    """One `### part` of `prompts/tool_rounds.md`, filled in."""
    return _parts("tool_rounds")[part].rstrip("\n").format(**values)


def map_part(part: str, **values: object) -> str:
    """One `### part` of `prompts/llm_map.md`, filled in."""
    return _parts("llm_map")[part].rstrip("\n").format(**values)


@frozen
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
    sub_tools: Sequence[ToolSpec] = (),
    modules: Sequence[str] = (),
    subset: str = "",
    template: str | None = None,
    protocol: CodeProtocol = "fence",
) -> str:
    """The root LM's system message. `context_kind` is "none", "str", "docs" or "retriever"; `depth`, levels below it.

    `sub_tools` are those of the sub-LMs, which the root LM cannot call.

    `modules` and `subset` are the sandbox's: what code can import besides, and what its Python lacks. A user's
    `template` may have the placeholders of `prompts/root_system.md`; other braces in it stay as they are.
    """
    functions = [with_examples(text("depth_1"), protocol).format(sub_chars=number(sub_call_chars))] if depth else []
    functions += [with_examples(text("depth_2"), protocol)] if depth > 1 else []
    functions += [_sub_tools(sub_tools)] if depth and sub_tools else []
    functions += [fill("tool", signature=tool.signature, description=tool.description) for tool in tools]
    functions += [f"\n{subset}"] if subset else []
    calls = "".join(f"{function}\n" for function in functions)
    template = template or text("root_system")
    without_calls = _without_calls(
        template, context_kind, min(depth, 1), max_output_chars, bool(subset), tuple(modules), protocol
    )
    whole = _SUB_CALLS.sub(lambda _: calls, without_calls)  # last: tools are data
    return f"{whole}\n\n{subset}" if subset and "{sub_calls}" not in template else whole


@lru_cache(maxsize=64)
def _without_calls(
    template: str,
    context_kind: str,
    level: int,
    max_output_chars: int,
    is_subset: bool,
    modules: tuple[str, ...],
    protocol: CodeProtocol,
) -> str:
    """The template filled in but for `{sub_calls}`: the same for all runs of an engine over contexts of one kind."""
    language = "the subset of Python described below" if is_subset else "the standard library"
    return (
        with_examples(template, protocol)
        .replace("besides the standard library:", f"besides {listed([language, *modules])}:")
        .replace("{context_kind}", text(f"kind_{context_kind}"))
        .replace("{chunk_use}", text(f"chunk_use_{level}"))
        .replace("{sub_step}", text(f"step_depth_{level}"))
        .replace("{code_goes}", protocol_part(protocol, "code_goes"))
        .replace("{all_run}", protocol_part(protocol, "all_run"))
        .replace("{max_output_chars}", number(max_output_chars))
    )


def first_message(
    *,
    context: str,
    question: str,
    max_iterations: int,
    answer_schema: dict[str, Any] | None,
    sub_calls: int | None = None,
) -> str:
    """The message that holds the question: what `context` is, then what is asked, then how much there is to spend.

    `sub_calls` is told where they are few.
    """
    left = plural(max_iterations, "step")
    if sub_calls is not None and sub_calls <= _FEW_SUB_CALLS:
        left += f" and {plural(sub_calls, 'sub-call')}"
    if answer_schema is not None:
        schema = json.dumps(answer_schema, ensure_ascii=False)
        question = f"{question}\n\n{fill('answer_schema', schema=schema)}"
    return fill("first_message", context=context, question=question, max_iterations=left)


def _sub_tools(tools: Sequence[ToolSpec]) -> str:
    return fill("sub_tools", tools="\n".join(f"  - `{tool.name}`: {_first_line(tool.description)}" for tool in tools))


def _first_line(description: str) -> str:
    """Of its first paragraph, cut where it is long."""
    return one_line(description.strip().split("\n\n")[0], _DESCRIPTION_CHARS)


_SUB_SYSTEM = Message("system", text("sub_system"))
_SUB_SYSTEM_TOOLS = Message("system", text("sub_system_tools"))


def sub_call_messages(prompt: str, images: Sequence[Image] = (), *, tools: bool = False) -> tuple[Message, ...]:
    """What a sub-LM sees. `tools`: whether it has some."""
    return (_SUB_SYSTEM_TOOLS if tools else _SUB_SYSTEM, Message("user", prompt, images=tuple(images)))
