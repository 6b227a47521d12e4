"""Code in other dresses than a marked fence: a fence without a mark, tags, a tool call as text, no dress at all.

They are read only in a reply without a marked fence: who marks one block means no other text to run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, cast

from rlm_integrations.core.loop.session_code import read_python
from rlm_integrations.wire.names import OWN_NAMES

_TAGS = re.compile(
    r"(?P<before>[^<\n]*+)<(?P<tag>code|execute|execute_python|execute_ipython|python|repl|tool_code|py|ipython"
    r"|code_interpreter|\|python_tag\||tool_call|tool_calls|function_call|tool_use|\|tool_call\||function=\w{1,40}+)>",
    re.IGNORECASE,
)
_CALL_TAGS = ("tool_call", "tool_calls", "function_call", "tool_use", "|tool_call|")
_CALL_WORDS = ("", "json", "xml")
_CALL_HEAD = re.compile(
    r'\s*+(?:\[TOOL_CALLS\])?+\s*+\[?+\s*+\{\s*+"(?:name|tool|tool_name|function|action|type|id|tool_calls|recipient_name'
    r'|arguments|parameters|thoughts?+|reasoning|code)"\s*+:'
)
_FUNCTION = re.compile(r"\s*+<function=\w{1,40}+>\s*+")
_PARAMETER = re.compile(r"<parameter=\w{1,40}+>\n?+(?P<code>(?:[^<]++|<(?!/parameter>))*+)</parameter>")
_NAMES = ("name", "tool", "tool_name", "recipient_name", "action")
_ARGUMENTS = ("arguments", "parameters", "args", "input", "tool_input", "action_input", "kwargs")
_CODES = ("code", "python", "python_code", "script", "source", "query", "input", "command", "cmd", "content", "__arg1")
_RUNNERS = re.compile(r"python|ipython|repl|code|exec|interpret|sandbox|jupyter|^run|^py$", re.IGNORECASE)
_REACT = re.compile(r"^[ \t]*+Action:[ \t]*+(?P<name>[\w .-]{1,60}+)\n\s*+Action Input:", re.MULTILINE)
_FINISHERS = ("FINAL", "final_answer")
_FUNCTIONS = OWN_NAMES - {"context", "answer", "exit", "quit"}
_MOST_CALLS = 50

Kind = Literal["fence", "tag", "code tag", "bare"]


@dataclass(frozen=True, slots=True)
class Dressed:
    """Text of a reply that may be code in another dress."""

    kind: Kind
    text: str
    word: str = ""
    """What its fence or its tag is called."""


@dataclass(frozen=True, slots=True)
class Undressed:
    """What such text asks to run."""

    codes: tuple[str, ...]
    unread: bool = False
    """Whether it asks for a call that cannot be made out."""


NOTHING = Undressed(())


def undressed(dressed: Dressed, variables: Collection[str]) -> Undressed:
    """The code in it; nothing where it is no code, or an example that works without the session."""
    word = dressed.word.lower()
    if word in _CALL_TAGS or word.startswith("function="):
        return _calls(dressed.text) or Undressed((), unread=dressed.kind == "tag")
    may_be_call = dressed.kind != "fence" or word in _CALL_WORDS
    if may_be_call and (calls := _calls(dressed.text)) is not None:
        return calls
    if dressed.kind == "fence" and word not in ("", "code"):
        return NOTHING
    code = read_python(dressed.text)
    if dressed.kind == "tag":
        return Undressed((dressed.text,)) if code is None or code.acts else NOTHING
    if code is None or not code.acts or (dressed.kind == "bare" and code.only_final):
        return NOTHING
    if code.for_session(variables) or dressed.kind == "code tag":
        return Undressed((dressed.text,))
    return NOTHING


def tag_of(line: str) -> tuple[str, int, int] | None:
    """The tag that a line opens around code, and where it begins and ends. Behind words it must end the line."""
    found = _TAGS.match(line)
    if found is None or (found["before"].strip() and line[found.end() :].strip()):
        return None
    return found["tag"], found.start("tag") - 1, found.end()


def is_call_head(lines: Sequence[str], at: int) -> bool:
    """Whether the JSON of a tool call may begin in the line."""
    return lines[at].lstrip()[:1] in ("{", "[") and _CALL_HEAD.match("\n".join(lines[at : at + 4])) is not None


def react_call(text: str) -> Dressed | None:
    """The call of a tool in a reply that is written as "Action: python", "Action Input: ..."."""
    found = _REACT.search(text)
    if found is None or not _RUNNERS.search(found["name"]):
        return None
    code = text[found.end() :].partition("\nObservation")[0]
    return Dressed("tag", code.strip().strip("`").strip(), "action")


def _calls(text: str) -> Undressed | None:
    """The code of tool calls that the text consists of; None where it does not."""
    if _FUNCTION.match(text):
        codes = tuple(found["code"].strip("\n") for found in _PARAMETER.finditer(text))
        return Undressed(codes, unread=not codes)
    if _CALL_HEAD.match(text) is None:
        return None
    at, codes = text.find("{") if "[TOOL_CALLS]" in text[:40] else 0, list[str]()
    text = text[at:].removesuffix("]") if at > 0 else text
    try:
        value: object = json.loads(text.strip(), strict=False)
    except (ValueError, RecursionError):
        # One call a line, or one that was cut off
        return Undressed((), unread=True) if '"arguments"' in text or '"parameters"' in text else None
    if isinstance(value, dict) and (code := _structured(cast("dict[str, object]", value))) is not None:
        return Undressed((code,))
    if isinstance(value, dict):
        value = cast("dict[str, object]", value).get("tool_calls", cast("object", value))
    each = cast("list[object]", value) if isinstance(value, list) else [value]
    for call in each[:_MOST_CALLS]:
        code = _code_of(call)
        if code is None:
            return Undressed((), unread=True) if _is_call(call) else None
        codes.append(code)
    return Undressed(tuple(codes)) if codes else None


def _structured(reply: dict[str, object]) -> str | None:
    """The code of a reply that is JSON of thought and code, where it is for the session."""
    code = reply.get("code")
    if not isinstance(code, str) or not reply.keys() <= {"thought", "thoughts", "reasoning", "code"}:
        return None
    read = read_python(code)
    return code if read is not None and read.for_session(()) else None


def _code_of(call: object) -> str | None:
    """The code that a call of a tool asks to run, if it is that of a REPL or of a function in it."""
    if not isinstance(call, dict):
        return None
    fields = cast("dict[str, Any]", call)
    if isinstance(fields.get("function"), dict):
        fields = cast("dict[str, Any]", fields["function"])
    name, arguments = _first(fields, _NAMES), _first(fields, _ARGUMENTS)
    if isinstance(arguments, str):
        with suppress(ValueError, RecursionError):
            arguments = json.loads(arguments, strict=False)
    if not isinstance(name, str):
        return None
    if isinstance(arguments, str):
        return arguments if _RUNNERS.search(name) else None
    if not isinstance(arguments, dict):
        return None
    given = cast("dict[str, Any]", arguments)
    if name in _FINISHERS and len(given) == 1:
        return f"FINAL({next(iter(given.values()))!r})"
    if name in _FUNCTIONS and all(key.isidentifier() for key in given):
        return f"{name}({', '.join(f'{key}={value!r}' for key, value in given.items())})"
    code = _first(given, _CODES)
    return code if isinstance(code, str) and _RUNNERS.search(name) else None


def _is_call(value: object) -> bool:
    """Whether a value has nothing but what the call of a tool has."""
    if not isinstance(value, dict):
        return False
    keys = set(cast("dict[str, Any]", value))
    return bool(keys & {"arguments", "parameters"}) and bool(keys & {"name", "tool", "tool_name", "recipient_name"})


def _first(fields: dict[str, Any], names: Collection[str]) -> object:
    return next((fields[name] for name in names if name in fields), None)
