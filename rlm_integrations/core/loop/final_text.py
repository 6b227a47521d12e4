"""FINAL(...) and FINAL_VAR(...) that stand in the prose of a reply, as models that were taught so write them."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import replace

from rlm_integrations.core.loop.final_argument import Final, final_for
from rlm_integrations.core.loop.talk_of_final import is_denied, is_planned, is_unsure, words_before

_MARKUP = r"[*`_]*+"
_WORDS = r"^(?P<words>(?>(?:(?!FINAL)[^\n]){0,400}))"
_AFTER = _MARKUP + r"[.!;。！；」』]{0,2}+" + _MARKUP + r"(?>(?: ?+[✅✔☑🎉\ufe0f]++)?)[^\S\n]*+$"
_FINAL_VAR = re.compile(
    _WORDS + r"FINAL_VAR\(\s*+(?>(?:\w{1,40}+\s*+=\s*+)?)[\"'`*“”‘’]{0,2}+"
    r"(?P<name>\w++)[\"'`*“”‘’]{0,2}+\s*+\)" + _AFTER,
    re.MULTILINE,
)
_FINAL = re.compile(
    _WORDS + r"FINAL(?>(?:_VAR)?)\((?>(?:[^\S\n]*+(?:answer|content|value|result|text)[^\S\n]*+=(?!=))?)", re.MULTILINE
)
_FINAL_END = re.compile(r"\)" + _AFTER, re.MULTILINE)
_SPACED = re.compile(r"(?<![\w(])(FINAL(?>(?:_VAR)?)) \(")
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
_MOST_FINALS = 50
_TRIPLE = re.compile(r"\s*+[rRuUfF]{0,2}+('''|\"\"\")")
_EMPTY_TO_END = re.compile(r"\s*+\)" + _AFTER, re.MULTILINE)


def final_of(
    prose: str,
    own: str,
    known: Collection[str] = (),
    *,
    other_forms: bool = False,
    breaks: Sequence[int] = (0,),
    last: bool = False,
) -> Final | None:
    """The last FINAL(...) or FINAL_VAR(...) in the prose.

    Args:
        prose: What stands outside of code.
        own: As long, with what does not count blotted out.
        known: Names that the session is known to have, and those not of ASCII that the code of the reply has.
        other_forms: Whether "final_answer(...)" and the like on lines of their own are meant too.
        breaks: Places in the prose above which something else stood, in order.
        last: Whether nobody can be asked again, so that an answer that is not sure is taken too.
    """
    given = prose
    if other_forms:
        own = _OTHER_FORM.sub(_usual_form, own)
        prose = prose.translate(_WIDE)
    if "FINAL" not in own:
        return None
    if prose.count("\n", 0, len(prose.strip())) == 0 and _SPACED.match(prose.strip(_MARKS + "\n")):
        given = prose = own = _SPACED.sub(r"\1(", prose)  # "FINAL (2024)" among other lines may be a heading
    variable = next(iter(deque(filter(_begins, _FINAL_VAR.finditer(own)), maxlen=1)), None)
    opening, end = _last_opening(prose, own)
    if variable is not None and (opening is None or opening.start() <= variable.start()):
        opening, end = variable, variable.end()
        final = Final(None, f"FINAL_VAR({variable['name']!r})", None, written=variable[0].strip())
    elif opening is not None:
        final = final_for(given[opening.end() : end].strip(), known)
    else:
        return None
    if final is not None and _is_talk(prose, opening, end, breaks, last=last):
        return replace(final, talk=True)
    return final


def _last_opening(prose: str, own: str) -> tuple[re.Match[str] | None, int]:
    """The last FINAL(, and where what it holds ends."""
    last, at = None, 0
    for _ in range(_MOST_FINALS):
        opening = _opening(own, at)
        place = None if opening is None else _argument(prose, opening.end())
        if opening is None or place is None:
            break
        last, at = opening, place
    return last, at


def _is_talk(prose: str, opening: re.Match[str], end: int, breaks: Sequence[int], *, last: bool) -> bool:
    """Whether the words around a FINAL(...) say that it is not the answer, or not yet."""
    above = prose[max(place for place in breaks if place <= opening.start()) : opening.start()]
    words, below = words_before(opening["words"], above), prose[end:]
    if is_denied(words, below) or is_planned(opening["words"], above):
        return True
    return not last and is_unsure(words, below)


def _usual_form(found: re.Match[str]) -> str:
    """What `_FINAL` and `_FINAL_VAR` look for, as long as what was found."""
    if found["alias"] is None:
        return "("
    name = "FINAL_VAR" if found["alias"].lower() == "final_var" else "FINAL"
    return f"{found['before']}{name.rjust(len(found['alias']))}"


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
    end, certain = _end(text, start)
    return end if certain else None


def _argument(prose: str, start: int) -> int | None:
    """Where what FINAL(...) holds ends: at its certain end, else at the last parenthesis at a line's end."""
    return _end(prose, start)[0]


def _end(text: str, start: int) -> tuple[int | None, bool]:
    """Where it ends, and whether that is certain."""
    if triple := _TRIPLE.match(text, start):
        closing = text.find(triple[1], triple.end())
        if closing >= 0 and _EMPTY_TO_END.match(text, closing + 3):
            return text.index(")", closing + 3), True
    return _even_end(text, start)


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
