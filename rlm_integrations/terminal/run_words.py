"""What a root LM thought and wrote, and what its code printed, for a terminal: each iteration in full."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.text import Text

from rlm_integrations.core.loop.code_calls import code_of
from rlm_integrations.core.trace.events import CheckEnded, CodeEnded, Event, FoldEnded, RootFailed, RootReplied
from rlm_integrations.core.trace.records import CodeExecution
from rlm_integrations.terminal.amounts import place
from rlm_integrations.terminal.console import words

_INDENT = "    "


def spelled_out(event: Event) -> list[Text]:
    """The lines that say the event in full; none for most events."""
    whose = f"child {place(event.node)}, " if event.node else ""
    match event:
        case RootReplied():
            asked = f"{whose or 'root LM, '}iteration {event.iteration}:"
            said = [event.reply] if event.reply.strip() else []
            said += [code_of(call) or f"{call.name} {call.arguments}" for call in event.tool_calls]
            parts = [_part(asked, "\n".join(said) or "(an empty reply)")]
            if event.thoughts.strip():
                parts.insert(0, _part(f"{whose}it thought:", event.thoughts, "dim"))
            return parts
        case FoldEnded():
            asked = f"{whose or 'root LM, '}iterations 1 to {event.fold.up_to} summed up:"
            return [_part(asked, event.fold.reply or event.fold.call.error or "(an empty reply)")]
        case RootFailed():
            return [_part(f"{whose}the root LM failed:", event.error, "red")]
        case CodeEnded():
            return _execution(event.execution, whose)
        case CheckEnded(check=check):
            said = check.objection or check.error
            return [] if said is None else [_part(f"{check.name} refused the answer:", said, "red")]
        case _:
            return []


def code_words(blocks: Sequence[str]) -> list[Text]:
    """Code that does not stand in a reply, since it came by a tool."""
    return [_part("code:", block) for block in blocks]


def _execution(execution: CodeExecution, whose: str) -> list[Text]:
    parts = [_part(f"{whose}output:", execution.output)] if execution.output.strip() else []
    for label, problem in (("error:", execution.error), ("the REPL was lost:", execution.lost)):
        if problem:
            parts.append(_part(f"{whose}{label}", problem, "red"))
    return parts or [Text(f"  {whose}(no output)", style="dim")]


def _part(label: str, content: str, style: str = "") -> Text:
    body = words(textwrap.indent(content.strip("\n").rstrip(), _INDENT, lambda line: True), style)
    return Text.assemble((f"  {label}", "bold"), "\n", body)
