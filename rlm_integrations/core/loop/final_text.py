"""FINAL(...) and FINAL_VAR(...) that stand in the prose of a reply, as models that were taught so write them."""

from __future__ import annotations

import ast
import builtins
import keyword
import re

from rlm_integrations.core.loop.lexing import without_strings
from rlm_integrations.core.loop.session_code import read_python
from rlm_integrations.frozen import frozen

_MARKUP = r"[*`_]*+"
_WORDS = r"^(?P<words>(?:(?!FINAL)[^\n]){0,400}+)"
_AFTER = _MARKUP + r"[.!;。！；」』]{0,2}+" + _MARKUP + r"(?: ?+[✅✔☑🎉\ufe0f]++)?+[^\S\n]*+$"
_FINAL_VAR = re.compile(
    _WORDS + r"FINAL_VAR\(\s*+(?:\w{1,40}+\s*+=\s*+)?+[\"'`*“”‘’]{0,2}+(?P<name>\w++)[\"'`*“”‘’]{0,2}+\s*+\)" + _AFTER,
    re.MULTILINE,
)
_FINAL = re.compile(
    _WORDS + r"FINAL(?:_VAR)?+\((?:[^\S\n]*+(?:answer|content|value|result|text)[^\S\n]*+=(?!=))?+", re.MULTILINE
)
_FINAL_END = re.compile(r"\)" + _AFTER, re.MULTILINE)
_SPACED = re.compile(r"(?<![\w(])(FINAL(?:_VAR)?+) \(")
_OTHER_FORM = re.compile(
    r"(?P<before>^[ \t*`_#]*+)(?P<alias>[fF]inal_[aA]nswer|FINAL[_ ]ANSWER|[fF]inal_[vV]ar|[fF]inal)(?=\()"
    r"|(?<=FINAL)（|(?<=FINAL_VAR)（",
    re.MULTILINE,
)
"""As models write it that know it from elsewhere, or whose keyboard is Chinese."""
_WIDE = str.maketrans("（）", "()")
_LIST_ITEM = re.compile(r"^[ \t*_]*+(?:\d{1,3}+|[a-zA-Z]|[ivxIVX]{1,4}+)\)", re.MULTILINE)
_MARKS = " \t*`_#-+"
_NUMBER = re.compile(r"\d{1,4}+[.)]$")
_LEADS_UP = re.compile(
    r"(?:[:：=→!?。！？]|(?<![eiEI]\.[geGE])\.|[-=]>|\b(?:is|be|answer|return|est|es|ist|lautet|é|è|so|thus|therefore|hence"
    r"|finally),?+|[是为為])[\s*`_]*+$",
    re.IGNORECASE,
)
"""How words end that a call follows on the same line. Other words speak of it."""
_PLACEHOLDER = re.compile(
    r"\.\.\.|…|[<\[{]?+(?:your|the|final|my)[ _](?:final[ _])?+answer(?: (?:goes )?+here)?+[>\]}]?+"
    r"|[<\[](?:answer|result|value|text|content)[>\]]|answer (?:goes )?+here"
    r"|[<\[](?:insert|put) [^<>\[\]\n]{1,60}+[>\]]",
    re.IGNORECASE,
)
"""How talk of FINAL names what it will hold."""
_BRACED = re.compile(r"\{{1,2}+\s*+(?P<name>[^\W\d]\w*+)\s*+\}{1,2}+")
_FIELD = re.compile(r"\{(?P<name>[^\W\d]\w*+)(?:![rsa])?+(?::[^{}\n]{1,20}+)?+\}")
_COMPUTED = re.compile(
    r"(?:str|len|sum|sorted|int|float|round|max|min|repr|list|set|dict|json\.dumps|search|chunks|retrieve|SHOW_VARS"
    r"|llm_\w{1,20}+|rlm_query\w{0,10}+)\((?!\))|[^\W\d]\w*+\[(?:[\"']|-?+\d)|[\"'][^\"'\n]{0,40}+[\"']\.(?:join|format)\("
)
"""How an expression begins that nobody would write for a text, whatever the REPL holds."""
_QUOTES = {"“": "”", "‘": "’", "„": "“", "«": "»", "「": "」"}
_SEVERAL = re.compile(r"''\s*+,\s*+(?:''|\w{1,40}+\s*+(?:=|$|,))")
_MOST_FINALS = 50
_TRIPLE = re.compile(r"\s*+[rRuUfF]{0,2}+('''|\"\"\")")
_EMPTY_TO_END = re.compile(r"\s*+\)" + _AFTER, re.MULTILINE)
_F_STRING = re.compile(r"[rR]?+[fF][rR]?+['\"]")
_LITERALS = re.compile(r"(?:[rRfFuU]{0,2}+''\s*+)++")


@frozen
class Final:
    """What prose says is the answer."""

    text: str | None
    """The text that it gives; None for a variable alone."""
    code: str | None = None
    """What the REPL makes the answer of, where it can."""
    names: frozenset[str] | None = None
    """Names of which the REPL must hold one, for the code to be more than words; None where that is sure."""
    all_names: frozenset[str] = frozenset()
    """Names of which it must hold all."""
    written: str = ""
    """All of it, as it was written."""


def final_of(prose: str, own: str, *, other_forms: bool = False) -> Final | None:
    """FINAL_VAR(...), or else the last FINAL(...) in the prose.

    `own` is as long, with what does not count blotted out. `other_forms`: whether "final_answer(...)" and the like on
    lines of their own are meant too.
    """
    given = prose
    if other_forms:
        own = _OTHER_FORM.sub(_usual_form, own)
        prose = prose.translate(_WIDE)
    if "FINAL" not in own:
        return None
    if prose.count("\n", 0, len(prose.strip())) == 0 and _SPACED.match(prose.strip(_MARKS + "\n")):
        given = prose = own = _SPACED.sub(r"\1(", prose)  # "FINAL (2024)" among other lines may be a heading
    if variable := next(filter(_begins, _FINAL_VAR.finditer(own)), None):
        return Final(None, f"FINAL_VAR({variable['name']!r})", None, written=variable[0].strip())
    argument, at = None, 0
    for _ in range(_MOST_FINALS):
        opening = _opening(own, at)
        place = None if opening is None else _argument(prose, opening.end())
        if opening is None or place is None:
            break
        argument, at = given[opening.end() : place].strip(), place
    return None if argument is None or _PLACEHOLDER.fullmatch(argument) else _final(argument)


def _usual_form(found: re.Match[str]) -> str:
    """What `_FINAL` and `_FINAL_VAR` look for, as long as what was found."""
    if found["alias"] is None:
        return "("
    name = "FINAL_VAR" if found["alias"].lower() == "final_var" else "FINAL"
    return f"{found['before']}{name.rjust(len(found['alias']))}"


def _final(argument: str) -> Final:
    written = f"FINAL({argument})"
    if argument.isidentifier() and not keyword.iskeyword(argument):
        return Final(argument, written, written=written)
    if _F_STRING.match(argument) and _has_fields(argument):
        return Final(argument, written, written=written)
    if braced := _BRACED.fullmatch(argument):
        return Final(argument, f"FINAL({braced['name']})", frozenset((braced["name"],)), written=written)
    code = read_python(argument)
    if code is not None and (code.looks_up or code.computes) and _COMPUTED.match(argument):
        return Final(argument, written, written=written)
    if code is not None and code.looks_up:
        return Final(argument, written, code.free_names, written=written)
    if code is not None and code.computes:
        return Final(argument, written, code.free_names, code.free_names.difference(dir(builtins)), written)
    if _is_several(argument):
        return Final(argument, written, written=written)
    return _of_text(_unquoted(argument), written)


def _of_text(text: str, written: str) -> Final:
    """A text, whose fields a variable each may be meant to fill."""
    fields = frozenset(_FIELD.findall(text))
    if fields and "\\" not in text and not set("{}") & set(_FIELD.sub("", text)):
        return Final(text, f"FINAL(f{text!r})", fields, fields, written)
    return Final(text, written=written)


def _is_several(argument: str) -> bool:
    """Whether it is a text in quotes and more arguments, of which FINAL takes but one."""
    if argument[:1] not in "\"'":
        return False
    bare = without_strings(argument, most_depth=5)
    return bare is not None and _SEVERAL.match(bare[0]) is not None


def final_opening(line: str) -> re.Match[str] | None:
    """The FINAL( that a line begins with, or that words in it lead up to."""
    return _opening(line, 0) if "FINAL(" in line else None


def _opening(text: str, at: int) -> re.Match[str] | None:
    return next(filter(_begins, _FINAL.finditer(text, at)), None)


def _begins(found: re.Match[str]) -> bool:
    words = found["words"].strip().strip(_MARKS)
    return not words or _NUMBER.match(words) is not None or _LEADS_UP.search(found["words"]) is not None


def final_end(text: str, start: int) -> int | None:
    """Where the argument that begins at `start` ends for certain: at a line's end, by its quotes or parentheses."""
    if triple := _TRIPLE.match(text, start):
        closing = text.find(triple[1], triple.end())
        if closing >= 0 and _EMPTY_TO_END.match(text, closing + 3):
            return text.index(")", closing + 3)
    end, even = _even_end(text, start)
    return end if even else None


def _argument(prose: str, start: int) -> int | None:
    """Where what FINAL(...) holds ends: at its certain end, else at the last parenthesis at a line's end."""
    end = final_end(prose, start)
    if end is None:
        end, _ = _even_end(prose, start)
    return end


def _even_end(text: str, start: int) -> tuple[int | None, bool]:
    """The first parenthesis at a line's end where all are even, else the last, and whether they are even."""
    counted, end, depth = start, None, 0
    for closing in _FINAL_END.finditer(text, start):
        end = closing.start()
        depth += text.count("(", counted, end) - text.count(")", counted, end)
        depth += sum(1 for _ in _LIST_ITEM.finditer(text, counted, end))  # "1) so" closes nothing
        counted = end
        if depth == 0:
            return end, True
    return end, False


def _has_fields(argument: str) -> bool:
    """Whether the text is an f-string alone, with more in it than text."""
    bare = without_strings(argument, most_depth=1)
    return bare is not None and bool(_LITERALS.fullmatch(bare[0])) and "{" in argument.replace("{{", "")


def _unquoted(argument: str) -> str:
    """The str that FINAL("...") means; anything else is text as it stands."""
    if len(argument) > 1 and _QUOTES.get(argument[0]) == argument[-1]:
        return argument[1:-1]
    if argument.endswith(")") and argument.count(")") == argument.count("(") + 1 and argument[-2:-1].isalnum():
        argument = argument[:-1]  # one too many
    try:
        value = ast.literal_eval(argument)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return argument
    return value if isinstance(value, str) else argument
