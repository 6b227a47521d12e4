"""Code that a text hands to Python: as the argument of a call, on a command line, or in a tag inside of another.

Pure, and linear in the text.
"""

from __future__ import annotations

import ast
import re
from itertools import islice

from rlm_integrations.core.loop.session_code import read_python

_CALL = re.compile(
    r"\s*+(?>(?:print\(\s*+)?)\[?+\s*+(?P<space>(?>(?:\w{1,40}+\.(?!call\()){0,3}))"
    r"(?P<name>\w{1,60}+)(?>(?:\.call)?)\(\s*+"
    r"(?>(?:(?:code|query|script|source|input|command|cmd|python_code)\s*+=\s*+)?)(?=[rR]?+['\"])"
)
_REST = re.compile(r"(?>(?:,?+\s*+(?>(?:\w{1,40}+\s*+=\s*+[\w.'\"-]{1,40}+\s*+)?))*)\)\s*+\]?+\s*+\)?+\s*+;?+\s*+")
_STRING = re.compile(
    r"[rR]?+(?:'''(?>(?:[^'\\]++|\\.|'(?!''))*)'''|\"\"\"(?>(?:[^\"\\]++|\\.|\"(?!\"\"))*)\"\"\""
    r"|'(?>(?:[^'\\\n]++|\\.)*)'|\"(?>(?:[^\"\\\n]++|\\.)*)\")",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_KNOWN_ESCAPES = "\\'\"abfnrtvxuUN01234567\n"
_SPACES = ("default_api.", "functions.", "tools.", "api.")
"""What models put before the names of tools. No tool of the user's is called so."""
_COMMAND = re.compile(r"\s*+(?>(?:\$ ?+)?)(?>(?:!|uv run )?)python[\d.]{0,5}+ ++-c ++(?P<quote>['\"])")
_DOCUMENT = re.compile(r"\s*+(?>(?:\$ ?+)?)python[\d.]{0,5}+ *+-?+ *+<<-?+ *+['\"]?+(?P<end>\w{1,40}+)['\"]?+[ \t]*+\n")
_KEYS = r"(?:python_code|python|code|command|cmd|script|source|content|input)"
_INNER = re.compile(rf"<{_KEYS}>\n?+(?P<code>(?>(?:[^<]++|<(?!/{_KEYS}>))*))(?P<closing></{_KEYS}>|\Z)")
"""One that nothing closes goes to the end: else the rest would be read again from each opening in it."""


def is_call(line: str) -> re.Match[str] | None:
    """Whether a text begins as the call of a function with a str does, as Python writes it."""
    return _CALL.match(line)


def called_code(text: str) -> str | None:
    """The code in the one argument of a call like `python(code="...")`; None where the text is no such call alone.

    Who asks has looked at its name.
    """
    head = _CALL.match(text)
    string = None if head is None else _STRING.match(text, head.end())
    if string is None or _REST.fullmatch(text, string.end()) is None:
        return None
    try:
        code = ast.literal_eval(string[0] if string[0][0] in "rR" else _ESCAPE.sub(_as_python_knows_it, string[0]))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return code if isinstance(code, str) and read_python(code) is not None else None


def called_in_a_space(code: str) -> str:
    """The code that a lone call of a tool runs: `default_api.python(code="...")`. Other code as it is."""
    if not any(map(code.__contains__, _SPACES)):
        return code
    head = _CALL.match(code)
    inner = called_code(code) if head is not None and head["space"] in _SPACES else None
    return code if inner is None else inner


def commanded_code(text: str) -> str | None:
    """The code that a command line gives to Python, by -c or as a document in it; None where it does not."""
    if (command := _COMMAND.match(text)) and text.rstrip().endswith(command["quote"]):
        code = text.rstrip()[command.end() : -1]
        return code.replace('\\"', '"') if command["quote"] == '"' else code
    document = _DOCUMENT.match(text)
    if document is None or not text.rstrip().endswith(f"\n{document['end']}"):
        return None
    return text[document.end() : text.rstrip().rindex("\n")]


def inner_code(body: str) -> str:
    """What stands in the one tag for code inside of another's body, which begins with a tag; else the body."""
    if not body.lstrip().startswith("<"):
        return body
    found = [each for each in islice(_INNER.finditer(body), 2) if each["closing"]]
    return found[0]["code"] if len(found) == 1 else body


def _as_python_knows_it(found: re.Match[str]) -> str:
    """An escape that Python has, or its two characters: else Python would warn the user."""
    return found[0] if found[1] in _KNOWN_ESCAPES else f"\\{found[0]}"
