"""What stands in a FINAL(...) of prose: a text, a variable, code, or what can be no answer. Linear in it."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Collection

from rlm_integrations.core.loop.lexing import without_strings
from rlm_integrations.core.loop.session_code import read_python
from rlm_integrations.core.parsed_python import parsed
from rlm_integrations.frozen import frozen
from rlm_integrations.repl.placeholders import PLACEHOLDER

_NAME = r"[^\W\d]\w{0,60}+"
_MARKED = re.compile(
    rf"(?:<{{1,2}}+|\$\{{{{0,2}}+|%|\{{{{1,2}}+)\s*+(?P<name>{_NAME})\s*+(?>(?:>{{1,2}}+|\}}{{1,2}}+|%)?)"
)
"""A name alone, marked as that of a variable."""
_SPOKEN = re.compile(
    r"(?>(?:(?>(?:the )?)(?:value|contents?+|variable)(?>(?: (?:of|in))?)(?>(?: the)?)(?>(?: variable)?) [`'\"]?+"
    r"|[(*`@#]{1,3}+)?)"
    rf"(?P<name>{_NAME})[`'\").*]{{0,3}}+",
    re.IGNORECASE,
)
"""One that may as well be words."""
_FIELD = re.compile(rf"\{{(?P<name>{_NAME})(?>(?:![rsa])?)(?>(?::[^{{}}\n]{{1,20}}+)?)\}}")
_OTHER_FIELD = re.compile(
    rf"<(?P<angle>{_NAME})>|\{{\{{ ?+(?P<double>{_NAME}) ?+\}}\}}|%\((?P<format>{_NAME})\)[sdr]|%(?P<percent>{_NAME})%"
)
_DOLLAR = re.compile(rf"\$(?P<name>{_NAME})")
_ANY_FIELD = re.compile(r"\{([^{}\n]{1,200}+)\}")
_COMPUTED = re.compile(
    r"(?:str|len|sum|sorted|int|float|round|max|min|repr|list|set|dict|json\.dumps|search|chunks|retrieve|SHOW_VARS"
    r"|llm_\w{1,20}+|rlm_query\w{0,10}+)\((?!\))|[^\W\d]\w*+\[(?:[\"']|-?+\d)|[\"'][^\"'\n]{0,40}+[\"']\.(?:join|format)\("
)
"""How an expression begins that nobody would write for a text, whatever the REPL holds."""
_NEXT = re.compile(
    r"\)[\s;,.*`/&|]{0,6}+(?>(?:(?:and|or|then|but|not|rather|else|also|vs|versus)\b[\s,.*`]{1,6}+){0,3})"
    r"(?:FINAL|[fF]inal)(?>(?:[_ ](?:ANSWER|VAR|[aA]nswer|[vV]ar))?)\("
    r"(?>(?:(?:answer|content|value|result|text)[^\S\n]*+=(?!=))?)"
)
"""Between one FINAL(...) and another that follows it on its line."""
_QUOTES = {"“": "”", "‘": "’", "„": "“", "«": "»", "「": "」", "『": "』"}
_F_STRING = re.compile(r"[rR]?+[fF][rR]?+['\"]")
_LITERALS = re.compile(r"(?>(?:[rRfFuU]{0,2}+''\s*+)+)")
_STRINGS = re.compile(r"[\s(]*+(?>(?:[rRuU]?+''[\s()]*+)+)")
"""Nothing but strs, as Python joins them. It parses no more than these: f-strings in the square of their length."""
_LITERAL_CHARS = 2_000
"""Of literals that make one text, beside what stands in them."""
_MOST_CHARS, _MOST_BRACKETS = 50_000, 5


@frozen
class Final:
    """What prose says is the answer."""

    text: str | None
    """The text that it gives; None for a variable alone."""
    code: str | None = None
    """What the REPL makes the answer of, where it can, or refuses with the reason."""
    names: frozenset[str] | None = None
    """Names of which the REPL must hold one, for the code to be more than words; None where that is sure."""
    all_names: frozenset[str] = frozenset()
    """Names of which it must hold all."""
    written: str = ""
    """All of it, as it was written."""
    talk: bool = False
    """Whether it is only spoken of: planned, doubted, denied or taken back."""


def final_for(argument: str, known: Collection[str]) -> Final | None:
    """What FINAL(argument) means in a session with these names; None for talk of it, which gives nothing."""
    finals = _finals_in(argument)
    if len(set(finals)) > 1:  # nobody knows which is meant, and the REPL says so
        return Final(argument, f"FINAL({', '.join(map(repr, map(_unquoted, finals)))})", written=f"FINAL({argument})")
    argument = finals[0]
    if PLACEHOLDER.fullmatch(argument):
        return None
    written = f"FINAL({argument})"
    final = _variable(argument, written, known) or _code(argument, written)
    return final or _of_text(_unquoted(argument), written, known)


def _finals_in(argument: str) -> list[str]:
    """The argument, or those of all the FINALs where others stand behind it on its line."""
    pieces = _NEXT.split(argument)
    return [piece.strip() for piece in pieces] if len(pieces) > 1 and all(map(_is_whole, pieces)) else [argument]


def _is_whole(piece: str) -> bool:
    piece = piece.strip()
    quote = piece[:1] if piece[:1] in "\"'" else ""
    return piece.count("(") == piece.count(")") and piece.endswith(quote) and (not quote or len(piece) > 1)


def _variable(argument: str, written: str, known: Collection[str]) -> Final | None:
    """A name alone: that of a variable, or words where there is none of that name.

    Where no spaces are written a sentence may look like a name, so that one which is not of ASCII has to be known.
    """
    if argument.isidentifier() and not keyword.iskeyword(argument) and (argument.isascii() or argument in known):
        return Final(argument, written, written=written)
    if marked := _MARKED.fullmatch(argument):
        return Final(argument, f"FINAL({marked['name']})", written=written)
    if spoken := _SPOKEN.fullmatch(argument):
        names = frozenset((spoken["name"],))
        return Final(argument, f"FINAL({spoken['name']})", names, names, written)
    return None


def _code(argument: str, written: str) -> Final | None:
    """What makes a value of others, and several values, which the REPL refuses."""
    if _F_STRING.match(argument) and _has_fields(argument):
        return Final(argument, written, written=written)
    code = read_python(argument)
    if code is not None and (code.looks_up or code.computes) and _COMPUTED.match(argument):
        return Final(argument, written, written=written)
    if code is not None and code.looks_up:
        return Final(argument, written, code.free_names, written=written)
    if code is not None and code.computes:
        return Final(argument, written, code.free_names, code.free_names.difference(dir(builtins)), written)
    several = _several(argument)
    return None if several is None else Final(argument, written, several or None, several, written)


def _of_text(text: str, written: str, known: Collection[str]) -> Final:
    """A text, whose fields a variable each may be meant to fill, an expression, or the name of a variable in quotes."""
    if text.isidentifier() and text in known:
        return Final(text, f"FINAL({text!r})", written=written)  # hardly meant, and the REPL's answer is looked at
    if any(found["name"] in known for found in _DOLLAR.finditer(text)):
        return Final(text, f"FINAL({text})", written=written)  # a variable, or dollars: no Python, so it is told
    filled = _OTHER_FIELD.sub(lambda found: _usual_field(found, known), text)
    fields = frozenset(_FIELD.findall(filled))
    if fields and "\\" not in filled and not set("{}") & set(_FIELD.sub("", filled)):
        return Final(text, f"FINAL(f{filled!r})", fields, fields, written)
    expressions: list[str] = _ANY_FIELD.findall(filled)
    if any(_COMPUTED.match(each) for each in expressions) and read_python(f"f{filled!r}") is not None:
        return Final(text, f"FINAL(f{filled!r})", written=written)
    return Final(text, written=written)


def _usual_field(found: re.Match[str], known: Collection[str]) -> str:
    """As Python writes the field, where it names a variable; else as it stands."""
    name = found[found.lastgroup or 0]
    return f"{{{name}}}" if name in known else found[0]


def _several(argument: str) -> frozenset[str] | None:
    """The variables that must be there for a call to take it as several values: none, where one is quoted or named.

    None where its commas are those of words.
    """
    bare = without_strings(argument, most_depth=5) if len(argument) <= _MOST_CHARS else None
    if bare is None or "," not in bare[0]:
        return None
    tree = parsed(f"FINAL({bare[0]}\n)")
    match tree and tree.body:
        case [ast.Expr(ast.Call() as call)] if call.args and len(call.args) + len(call.keywords) > 1:
            pass
        case _:
            return None
    if call.keywords or any(isinstance(each, (ast.Constant, ast.JoinedStr)) and _is_str(each) for each in call.args):
        return frozenset()
    names = frozenset(each.id for each in call.args if isinstance(each, ast.Name))
    return names if len(call.args) == sum(isinstance(each, ast.Name) for each in call.args) else None


def _is_str(value: ast.Constant | ast.JoinedStr) -> bool:
    return isinstance(value, ast.JoinedStr) or isinstance(value.value, str)


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
    bare = without_strings(argument, most_depth=_MOST_BRACKETS)
    if bare is None or len(bare[0]) > _LITERAL_CHARS or _STRINGS.fullmatch(bare[0]) is None:
        return argument
    try:
        value = ast.literal_eval(argument)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return argument
    return value if isinstance(value, str) else argument
