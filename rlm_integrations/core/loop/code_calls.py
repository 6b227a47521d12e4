"""A root reply whose code comes in calls of the tool `python` -> the code to run, and what each call is told. Pure.

Nothing in the text of such a reply ever runs, whatever it quotes. FINAL(name) there looks a variable up, and no more.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from rlm_integrations.core.calls.reply_fields import arguments_of
from rlm_integrations.core.calls.tool_rounds import CallingMessage
from rlm_integrations.core.language_model import Completion, Message, ToolCall, ToolResult
from rlm_integrations.core.loop.code_in_json import unfenced
from rlm_integrations.core.loop.quotations import Quotations
from rlm_integrations.core.loop.reply_parser import ParsedReply, read_fences, with_final
from rlm_integrations.core.loop.written_code import as_meant
from rlm_integrations.core.prompts.texts import PYTHON_TOOL, protocol_part
from rlm_integrations.core.surrogates import without_lone_surrogates
from rlm_integrations.core.wording import one_line

_EXCERPT_CHARS = 200
_LOOKUP = re.compile(r"""FINAL(?>(?:_VAR)?)\(["']?+[^\W\d]\w*+["']?+\)""")


def read_calls(
    reply: str,
    called: Completion | None,
    quotations: Quotations | None = None,
    variables: Collection[str] | None = frozenset(),
    *,
    cut: bool = False,
    last: bool = False,
) -> ParsedReply:
    """The code of the calls, in order; of a reply without calls, what its text says.

    Args:
        reply: Its text.
        called: The reply itself, where it calls tools.
        quotations: What the root LM was shown. No FINAL that stands there counts.
        variables: Those that the session is known to have; None where no code has run.
        cut: Whether the reply did not come whole. Its last call may be half of one then, even where it can be read.
        last: As for `parse_reply`.
    """
    reply = reply.replace("\r\n", "\n")
    if called is None:
        return _of_text(reply, quotations, variables, cut=cut, last=last)
    blocks: list[str] = []
    told: list[str | None] = []
    for place, call in enumerate(called.tool_calls, 1):
        why = protocol_part("tool", "cut") if cut and place == len(called.tool_calls) else None
        read = code_of(call) if why is None else None
        if read is not None:
            blocks.append(read)
        elif why is None:
            why = _no_code(call)
        told.append(why)
    final = None if cut or not blocks else read_fences(reply, quotations, variables)[1]
    return ParsedReply(
        tuple(blocks),
        final=None if final is None else final.text or final.written,
        prose=reply,
        refused_calls=tuple(told),
    )


def as_message(reply: str, called: Completion | None, parsed: ParsedReply) -> Message:
    """The reply in the conversation: what comes of its step is the result of its last call that runs."""
    if called is None:
        return Message("assistant", reply)
    why = parsed.refused_calls
    place = max((at for at, each in enumerate(why) if each is None), default=len(why) - 1)
    together = protocol_part("tool", "together", n=place + 1)
    results = [
        ToolResult(call, without_lone_surrogates(each or together), failed=each is not None)
        for call, each in zip(called.tool_calls, why, strict=True)
    ]
    return CallingMessage.of(called, [*results[:place], None, *results[place + 1 :]])


def result_of_refused(parsed: ParsedReply, told: str) -> str:
    """What is told of a reply of which nothing runs: where it called tools, it is the result of the last call."""
    why = parsed.refused_calls
    return "\n".join(filter(None, (why[-1], told))) if why else told


def _of_text(
    reply: str, quotations: Quotations | None, variables: Collection[str] | None, *, cut: bool, last: bool
) -> ParsedReply:
    """An answer as prose or FINAL(...). Code in it does not run, and is no answer, unless as an example in one."""
    if cut:
        return ParsedReply((), prose=reply)
    parsed, final = read_fences(reply, quotations, variables, last=last)
    meant_to_run = bool(parsed.blocks) and not parsed.example
    unread = meant_to_run or parsed.unread
    plain = ParsedReply((), prose=reply, unread=unread, talk_of_final=parsed.talk_of_final)
    if final is None or meant_to_run:
        return plain
    read = with_final(plain, final, variables)
    looks_up = final.code is not None and _LOOKUP.fullmatch(final.code) is not None
    return plain._replace(unread=True) if read.blocks and not looks_up else read  # nobody computes an expression there


def code_of(call: ToolCall) -> str | None:
    """The code that it hands over; None where nothing of it can run."""
    arguments = arguments_of(call) if call.name == PYTHON_TOOL.name else None
    code = (arguments or {}).get("code")
    if not isinstance(code, str) or not code.strip():
        return None
    return as_meant(unfenced(code)).code


def _no_code(call: ToolCall) -> str:
    if call.name != PYTHON_TOOL.name:
        return protocol_part("tool", "other_tool", name=repr(one_line(call.name[:_EXCERPT_CHARS])))
    return protocol_part("tool", "no_code", excerpt=repr(one_line(call.arguments[:_EXCERPT_CHARS])))
