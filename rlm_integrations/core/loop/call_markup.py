"""Calls of tools as models mark them up, where a server left them in the text. Linear in the text.

A value that nothing closes goes to the end in a pattern: else the rest would be read again from each opening in it.
"""

from __future__ import annotations

import re
from contextlib import suppress
from json import JSONDecoder
from typing import Any

_HEAD = re.compile(
    r"\s*+(?:<(?>(?:\w{1,20}+:|｜DSML｜)?)(?:function_calls|tool_calls?+)>|<(?>(?:\w{1,20}+:|｜DSML｜)?)invoke\s|<function=|<\|tool_calls?+_"
    r"|<\|tool_call>|<start_function_call>|<｜tool▁call|<longcat_tool_call>|\[TOOL_CALLS\]\w|functools\[)"
)
_INVOKE = re.compile(
    r"<(?>(?:\w{1,20}+:|｜DSML｜)?)(?:invoke\s++name|function)=[\"']?+(?P<name>[\w.:-]{1,60}+)[\"']?+\s*+>\s*+",
    re.ASCII,
)
_PARAMETER = re.compile(
    r"<(?>(?:\w{1,20}+:|｜DSML｜)?)parameter(?>(?:\s++name)?)=[\"']?+(?P<key>\w{1,60}+)[\"']?+[^<>\n]*+>\n?+"
    r"(?P<value>(?>(?:[^<]++|<(?!/(?>(?:\w{1,20}+:|｜DSML｜)?)parameter>))*))(?P<closing></|\Z)"
)
_ARGUMENT = re.compile(
    r"<arg_key>\s*+(?P<key>\w{1,60}+)\s*+</arg_key>\s*+<arg_value>\n?+"
    r"(?P<value>(?>(?:[^<]++|<(?!/arg_value>))*))(?P<closing></|\Z)"
)
_NAMED = re.compile(
    r"(?:\[TOOL_CALLS\]|<\|tool_call_begin\|>|<｜tool▁call▁begin｜>(?>(?:function<｜tool▁sep｜>)?))\s*+(?>(?:functions\.)?)"
    r"(?P<name>\w{1,60}+)[^{\n]{0,80}+\n?+\s*+(?=\{)"
)
_IN_BRACES = re.compile(
    r"(?:<\|tool_call>|<start_function_call>)call:(?P<name>\w{1,60}+)\{(?P<key>\w{1,60}+):"
    r'(?:<\|"\|>|<escape>)(?P<value>(?>(?:[^<]++|<(?!\|"\|>|escape>))*))(?:<\|"\|>|<escape>)'
)
_WORDLIKE = re.compile(r"\s*+(?P<name>[\w.-]{1,60}+)\s*+(?=<arg_key>)")
_END_OF_FUNCTION = re.compile(r"</(?>(?:\w{1,20}+:|｜DSML｜)?)(?:function|invoke)>")
_BETWEEN = re.compile(r"[\s;,]*+")
_MOST_CALLS = 50

_decode = JSONDecoder(strict=False).raw_decode


def is_marked_up(text: str) -> bool:
    """Whether a text begins as a call of a tool does, in a markup of its own."""
    return _HEAD.match(text) is not None


def marked_up_calls(text: str) -> list[dict[str, Any]]:
    """Those of the calls in a text that can be made out, as {"name": ..., "arguments": ...}."""
    calls = [_invoked(text, found) for found in _first(_INVOKE, text)]
    calls += [_call(found["name"], _value(text, found.end())) for found in _first(_NAMED, text)]
    calls += [_call(found["name"], {found["key"]: found["value"]}) for found in _first(_IN_BRACES, text)]
    if word := _WORDLIKE.match(text):
        calls.append(_call(word["name"], {found["key"]: found["value"] for found in _closed(_ARGUMENT, text)}))
    return calls


def json_values(text: str) -> list[object]:
    """The JSON values that a text begins with, one behind the other."""
    values: list[object] = []
    at = _BETWEEN.match(text).end()  # type: ignore[union-attr]
    with suppress(ValueError, RecursionError):
        while at < len(text) and len(values) < _MOST_CALLS:
            value, end = _decode(text, at)
            values.append(value)
            at = _BETWEEN.match(text, end).end()  # type: ignore[union-attr]
    return values


def _first(pattern: re.Pattern[str], text: str) -> list[re.Match[str]]:
    return [found for found, _ in zip(pattern.finditer(text), range(_MOST_CALLS), strict=False)]


def _closed(pattern: re.Pattern[str], text: str) -> list[re.Match[str]]:
    return [found for found in _first(pattern, text) if found["closing"]]


def _call(name: str, arguments: object) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


def _invoked(text: str, opening: re.Match[str]) -> dict[str, Any]:
    """Its parameters, or the JSON or the code that it holds itself."""
    closing = _END_OF_FUNCTION.search(text, opening.end())
    end = len(text) if closing is None else closing.start()
    inner = text[opening.end() : end]
    given: object = {found["key"]: found["value"].strip("\n") for found in _closed(_PARAMETER, inner)}
    if not given and inner.strip():
        given = _value(inner, 0) or inner.strip("\n")
    return _call(opening["name"], given)


def _value(text: str, at: int) -> object:
    with suppress(ValueError, RecursionError):
        return _decode(text, at)[0]
    return None
