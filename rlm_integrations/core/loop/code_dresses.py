"""Code in other dresses than a marked fence: a fence without a mark, tags, a tool call as text, no dress at all.

They are read only in a reply without a marked fence: who marks one block means no other text to run.
"""

from __future__ import annotations

import builtins
import json
import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any, Literal, cast

from rlm_integrations.core.loop.call_markup import is_marked_up, json_values, marked_up_calls
from rlm_integrations.core.loop.code_in_json import answer_in_json, codes_in_json, unfenced
from rlm_integrations.core.loop.handed_over import called_code, commanded_code, inner_code, is_call
from rlm_integrations.core.loop.near_json import mended_json
from rlm_integrations.core.loop.session_code import PythonCode, read_python
from rlm_integrations.core.loop.written_code import as_meant
from rlm_integrations.frozen import frozen
from rlm_integrations.wire.names import OWN_NAMES

_TAGS = re.compile(
    r"(?P<before>[^<\n]*+)(?>(?:<pre(?>(?:\s[^<>\n]{0,80}+)?)>\s*+(?=<code))?)<(?P<tag>code|pre|execute|execute_python"
    r"|execute_ipython|execute_code|run_python|run_code|python-execute|python|repl|tool_code|py|ipython|interpreter"
    r"|python_interpreter|code_interpreter|code_block|execute_command|run_command|\|python_tag\||\|python_start\||\|action_start\|><\|interpreter\|"
    r"|tool|action|tool_call|tool_calls|toolcall|function_call|tool_use|\|START_ACTION\|"
    r"|\|tool_call\||\|tool_call_start\||function=\w{1,40}+)(?>(?:\s[^<>\n]{0,80}+)?)>",
    re.IGNORECASE,
)
_CALL_TAGS = ("tool_call", "tool_calls", "toolcall", "function_call", "tool_use", "|tool_call|", "|start_action|")
_CALL_WORDS = ("", "json", "xml")
_CALL_HEAD = re.compile(
    r'\s*+(?>(?:\[TOOL_CALLS\]|functools|<\|tool_call\|>)?)\s*+\[?+\s*+\{\s*+["\'](?:name|tool_call_id|tool|tool_name|function|action|type|id|tool_calls|recipient_name'
    r'|arguments|parameters|thoughts?+|reasoning|code)["\']\s*+:'
)
_CALL_SIGNS = "{[<("
"""One of them stands in each line that the call of a tool begins in."""
_TOKENS = re.compile(r"\s*+(?:\[TOOL_CALLS\]|functools|<\|tool_call\|>)")
_END_TOKENS = re.compile(r"<\|(?:python_end|action_end|END_ACTION|eom_id|tool_call_end)\|>\s*+\Z", re.IGNORECASE)
_NAMES = ("name", "tool", "tool_name", "recipient_name", "action")
_ARGUMENTS = ("arguments", "parameters", "args", "input", "tool_input", "action_input", "kwargs")
_CODES = ("code", "python", "python_code", "script", "source", "query", "input", "command", "cmd", "content", "__arg1")
_RUNNERS = re.compile(r"python|ipython|repl|code|exec|interpret|sandbox|jupyter|^run|^py$", re.IGNORECASE)
_REACT = re.compile(
    r"^[ \t*_]*+Action[*_]*+:[ \t*_]*+(?P<name>[\w .-]{1,60}+)[*_]*+\n\s*+[*_]*+Action[ _]Input[*_]*+:[*_]*+",
    re.MULTILINE | re.IGNORECASE,
)
_REACT_BRACKET = re.compile(r"^[ \t]*+Action:[ \t]*+(?P<name>\w{1,60}+)\[", re.MULTILINE)
_THOUGHT = re.compile(r"^[ \t*_]*+Thought[*_]*+:", re.MULTILINE | re.IGNORECASE)
_OBSERVED = re.compile(r"\n[ \t*_]*+Observation\b", re.IGNORECASE)
_QWEN_AGENT = re.compile(r"\s*+✿FUNCTION✿: ?+(?P<name>\w{1,60}+)\s*+✿ARGS✿:\s*+(?=\{)")
_PLAIN_WORDS = ("", "code", "text", "txt", "plaintext", "pycon", "jupyter", "notebook", "script", "tool", "starlark")
"""Of fences that may hold code for the session, as may those that say something like Python."""
_PYTHONISH = re.compile(
    r"py|phy?+t[ho]{1,2}+n|exec|^run|repl|interpret|sandbox|jupyter|ipynb|tool_call|^sage$", re.IGNORECASE
)
_WORDS_FOR_TEXT = (*_PLAIN_WORDS, "markdown", "md", "plain", "answer", "final", "json")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&", "&quot;": '"', "&#39;": "'", "&#x27;": "'", "&apos;": "'"}
_ENTITY = re.compile("|".join(_ENTITIES))
_MARK_ALONE = re.compile(r"\s*+(?:repl|python3?+|py)[ \t]*+\n", re.IGNORECASE)
_LAST_CHARS = 100
_FENCE_LINE = re.compile(r"^[ \t]*+(?:```|~~~)", re.MULTILINE)
_FINISHERS = ("FINAL", "final_answer")
_FUNCTIONS = OWN_NAMES - {"context", "answer", "exit", "quit"}
_MOST_CALLS = 50

Kind = Literal["fence", "tag", "code tag", "bare"]


@frozen
class Dressed:
    """Text of a reply that may be code in another dress."""

    kind: Kind
    text: str
    word: str = ""
    """What its fence or its tag is called."""


@frozen
class Undressed:
    """What such text asks to run."""

    codes: tuple[str, ...]
    unread: bool = False
    """Whether it asks for a call that cannot be made out."""
    cut: bool = False
    """Whether it shows a session, and more code stands below what that is said to have printed."""


NOTHING = Undressed(())


def undressed(dressed: Dressed, variables: Collection[str]) -> Undressed:
    """The code in it; nothing where it is no code, or an example that works without the session."""
    if end := _END_TOKENS.search(dressed.text, max(0, len(dressed.text) - _LAST_CHARS)):
        dressed = Dressed(dressed.kind, dressed.text[: end.start()], dressed.word)
    word = dressed.word.lower()
    is_fence = dressed.kind == "fence"
    if (word in _CALL_TAGS and not is_fence) or word.startswith("function="):
        return _calls(dressed.text) or Undressed((), unread=dressed.kind == "tag")
    may_be_call = not is_fence or word in _CALL_WORDS or word in _CALL_TAGS
    if may_be_call and (calls := _calls(dressed.text)) is not None:
        return calls
    if may_be_call and (answer := answer_in_json(dressed.text)) is not None:
        is_set = answer["ready"] and answer["content"] not in (None, "")
        return Undressed((f"FINAL({answer['content']!r})",)) if is_set else Undressed((), unread=True)
    if may_be_call and (codes := codes_in_json(dressed.text, variables)):
        return Undressed(tuple(codes)) if len(codes) == 1 else Undressed((), unread=True)  # nobody knows which is meant
    if (commanded := commanded_code(dressed.text)) is not None:
        return _as_python(Dressed("fence", commanded, "code"), variables)
    if _calls_a_runner(dressed.text, variables):
        called = called_code(dressed.text)
        return Undressed((), unread=True) if called is None else Undressed((called,))
    return _as_python(dressed, variables)


def _as_python(dressed: Dressed, variables: Collection[str]) -> Undressed:
    """The same of what is neither a call nor a command."""
    text, code, cut = _read(dressed.text)
    word = dressed.word.lower()
    if dressed.kind == "fence" and word not in _PLAIN_WORDS and not _PYTHONISH.search(word):
        return Undressed((text,), cut=cut) if code is not None and code.only_for_session else NOTHING
    if dressed.kind == "tag":
        return Undressed((text,), cut=cut) if code is None or code.acts else NOTHING
    if code is None or not code.acts or (dressed.kind == "bare" and code.only_final):
        return NOTHING
    if code.for_session(variables) or dressed.kind == "code tag":
        return Undressed((text,), cut=cut)
    return NOTHING


def is_other_code(dressed: Dressed) -> bool:
    """Whether a fence is marked as something else than text, so that no FINAL counts in it unless it begins so."""
    other = dressed.kind == "fence" and dressed.word.lower() not in _WORDS_FOR_TEXT
    return other and not dressed.text.lstrip().startswith("FINAL")


def _calls_a_runner(text: str, variables: Collection[str] = ()) -> bool:
    """Whether it begins as a call of what the session has not does, as Python writes it: `python(code="...")`."""
    call = is_call(text)
    if call is None or call["name"] in variables or hasattr(builtins, call["name"]):
        return False
    return _RUNNERS.search(call["name"]) is not None


def _read(text: str) -> tuple[str, PythonCode | None, bool]:
    """The code without what stands around it: a word that marks it, a REPL's prompts and what it printed, entities.

    And whether there is more, below what it printed.
    """
    text = inner_code(text)
    if mark := _MARK_ALONE.match(text):
        text = text[mark.end() :]
    text, cut = as_meant(text)
    code = read_python(text)
    if code is None and "&" in text:
        unescaped = _ENTITY.sub(lambda entity: _ENTITIES[entity[0]], text)
        code = read_python(unescaped)
        text = text if code is None else unescaped
    return text, code, cut


def tag_of(line: str) -> tuple[str, int, int] | None:
    """The tag that a line opens around code, and where it begins and ends. Behind words it must end the line."""
    found = _TAGS.match(line)
    if found is None or (found["before"].strip() and line[found.end() :].strip()):
        return None
    return found["tag"], found.start("tag") - 1, found.end()


def may_enclose(tag: str, body: str) -> bool:
    """Whether a tag's content may be code, or a call: a fence in it says otherwise, unless amid a line of a call."""
    return ("```" not in body and "~~~" not in body) or (tag.lower() in _CALL_TAGS and not _FENCE_LINE.search(body))


def is_call_head(lines: Sequence[str], at: int) -> bool:
    """Whether the call of a tool may begin in the line: its JSON, or the markup around it."""
    if not any(map(lines[at].__contains__, _CALL_SIGNS)):
        return False
    if lines[at].lstrip()[:1] in ("{", "[") and _CALL_HEAD.match("\n".join(lines[at : at + 4])) is not None:
        return True
    return is_marked_up(lines[at]) or _calls_a_runner(lines[at])


def react_call(text: str) -> tuple[Dressed, str] | None:
    """The call of a tool in a reply that is written as "Action: python", "Action Input: ...", and how it is written."""
    found = _REACT.search(text) or _REACT_BRACKET.search(text)
    if found is None:
        return None
    observed = _OBSERVED.search(text, found.end())
    end = len(text) if observed is None else observed.start()
    given = text[found.end() : end].strip()
    if found[0].endswith("["):
        given = given.removesuffix("]")
    name, code = found["name"].strip(" *_`"), given
    with suppress(ValueError, RecursionError):
        if given.startswith('"') and isinstance(quoted := json.loads(given, strict=False), str):
            code = quoted
    if _RUNNERS.search(name):
        return Dressed("tag", code.strip("`").strip(), "action"), text[found.start() : end]
    if name not in _FUNCTIONS and (found[0].endswith("[") or not _THOUGHT.search(text, 0, found.start())):
        return None  # words may say so too
    call = json.dumps({"name": name, "arguments": code})
    return Dressed("tag", call, "tool_call"), text[found.start() : end]


def _calls(text: str) -> Undressed | None:
    """The code of tool calls that the text consists of; None where it does not."""
    if calls := marked_up_calls(text):
        codes = tuple(code for call in calls if (code := _code_of(call)) is not None)
        return Undressed(codes, unread=len(codes) < len(calls))
    if agent := _QWEN_AGENT.match(text):
        given = json_values(text[agent.end() :])
        code = _code_of({"name": agent["name"], "arguments": given[0] if given else None})
        return Undressed((), unread=True) if code is None else Undressed((code,))
    if _CALL_HEAD.match(text) is None:
        return Undressed((), unread=True) if is_marked_up(text) else None
    at, codes = text.find("[" if "functools[" in text[:40] else "{") if _TOKENS.match(text) else 0, list[str]()
    values = json_values(text[at:])
    if not values and (mended := mended_json(text[at:])) is not None:
        values = json_values(mended)
    if not values:
        return Undressed((), unread=True) if '"arguments"' in text or '"parameters"' in text else None
    value = values[0] if len(values) == 1 else values
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
    if not isinstance(code, str):
        return None
    code = unfenced(code)
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
        if name in _FUNCTIONS:
            return f"{name}({arguments!r})"
        return arguments if _RUNNERS.search(name) else None
    if not isinstance(arguments, dict):
        return None
    given = cast("dict[str, Any]", arguments)
    if name in _FINISHERS and len(given) == 1:
        return f"FINAL({next(iter(given.values()))!r})"
    if name in _FUNCTIONS and all(key.isidentifier() for key in given):
        return f"{name}({', '.join(f'{key}={value!r}' for key, value in given.items())})"
    code = _first(given, _CODES)
    if code is None:  # by another name, where it can be but one
        texts = [each for each in given.values() if isinstance(each, str) and "\n" in each]
        code = texts[0] if len(texts) == 1 else next(iter(given.values())) if len(given) == 1 else None
    return unfenced(code) if isinstance(code, str) and _RUNNERS.search(name) else None


def _is_call(value: object) -> bool:
    """Whether a value has nothing but what the call of a tool has."""
    if not isinstance(value, dict):
        return False
    keys = set(cast("dict[str, Any]", value))
    return bool(keys & {"arguments", "parameters"}) and bool(keys & {"name", "tool", "tool_name", "recipient_name"})


def _first(fields: dict[str, Any], names: Collection[str]) -> object:
    return next((fields[name] for name in names if name in fields), None)
