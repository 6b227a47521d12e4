"""Whether an answer in a reply is only spoken of: denied, planned, guessed, taken back. Pure; linear in the reply."""

from __future__ import annotations

import re

from rlm_integrations.core.loop.second_thoughts import SECOND_THOUGHTS

_VERBS = (
    r"(?:answer|return|output|give|say|send|submit|use|write|call|finish|end|conclude|reply|respond|provide|run"
    r"|execute)"
)
_DENIED = re.compile(
    r"(?:^|\b(?:I|we|you|so|but|please|and|thus|therefore)\b)[\s,*_]*+"
    r"(?:(?:do|wo|should|must|would)(?:n['’]?+t|(?>(?: still)?) not| never)|(?:will|am|['’]m|are|may) not"
    r"|(?>(?:will )?)never"
    r"|can(?:not|['’]?+t| not)(?!\s++(?:be able|answer|give|say|conclude|reply|respond|provide)\b))\s++"
    rf"(?>(?:(?:yet|be|simply|just|really|actually|allowed|ready|going|to)\s++){{0,4}}){_VERBS}"
    r"(?>(?:\s++(?:yet|now|with|this|that|it|the code|here|just)\b)*)[\W_]*+$",
    re.IGNORECASE,
)
"""Only where nothing but the answer follows: "I cannot give a number, so" leads up to one. So does "I cannot answer:",
for it is answered so that the corpus does not say."""
_WRONG = re.compile(
    r"\b(?:wrong|incorrect|false)\s++(?>(?:final\s++)?)(?:answer|result|reply|response|value|count|output|one)\s++"
    r"(?:is|was|would be|will be|might be|could be)[\W_]*+$",
    re.IGNORECASE,
)
_FORM = re.compile(
    r"^[\W_]*+(?>(?:(?:the|my|your|this|required|expected|correct|right|final|answer|output|reply|response)\s++)*)"
    r"(?:format|form|syntax|template|pattern|example|usage)(?>(?:\s++(?:is|would be|will be|of the answer))?)[\W_]*+$"
    r"|\b(?:for example|for instance|such as|something like)[\W_]*+$",
    re.IGNORECASE,
)
_GUESS = re.compile(
    r"\b(?:first|initial|rough|wild)\s++guess\b|\bplaceholder\b|\bfor now\b"
    r"|\b(?:tentative|preliminary|provisional)\s++(?>(?:final\s++)?)answer\b",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    r"\b(?:if|unless|once|when|until|as soon as|assuming|suppos(?:e|ing)|after (?:I|we|that|this|it))\b", re.IGNORECASE
)
_CONCLUDES = re.compile(r"\b(?:so|thus|hence|therefore)\b[\W_]*+$", re.IGNORECASE)
_FOLLOWS = re.compile(
    r"\b(?:I|we|it|that)(?:['’](?:ll|d)|\s++(?:will|would|shall))\b|\b(?:answer|result)\s++(?:will|would) be\b"
    rf"|,\s*+(?>(?:then\s++)?)(?:I|we)\s++{_VERBS}\b",
    re.IGNORECASE,
)
"""What a condition makes uncertain."""
_PLAN = re.compile(
    r"\b(?:plans?+|next|will|to[- ]?+do|options?+|candidates?+|possible|going to)\b|['’]ll\b", re.IGNORECASE
)
_ITEM = re.compile(r"[ \t*_]*+(?:[-*•+]|\d{1,4}+[.)])[ \t*_]++")
_SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s++(?=\S)")
_BEGINS = r"(?:^[ \t*_#>(-]*+|(?<=[.!?…] ))(?>(?:(?:but|however|and|so|oh)\b,?+ ++)?)"
_TAKES_BACK = re.compile(rf"{_BEGINS}(?:{'|'.join(SECOND_THOUGHTS)})", re.IGNORECASE | re.MULTILINE)
_LOOKS = r"(?:verify|check|confirm|double|re-?+check|re-?+count|count|make sure|look|run|test|validate|search|read)"
_PUTS_OFF = re.compile(
    rf"{_BEGINS}(?:(?>(?:first,?+ ++)?)(?:let me|let['’]s|let us) (?>(?:(?:first|now|just|quickly|still) )?){_LOOKS}\b"
    rf"|I (?>(?:(?:still|first|now) )?)(?:need to|have to|must|should|want to|will|['’]ll)"
    rf" (?>(?:(?:first|still) )?){_LOOKS}\b(?! nothing)"
    rf"|I (?:have not|haven['’]t) (?>(?:(?:yet|actually|even|really) )?){_LOOKS}\w{{0,3}}+ (?:yet|this|that|it)\b"
    r"|(?:this|that|it)(?:['’]s| is| was) (?>(?:(?:only|just|merely) )?)a (?:guess|placeholder)\b)"
    r"[^.!?\n]{0,200}+[.!?:…]*+\s*+\Z",
    re.IGNORECASE | re.MULTILINE,
)
_MARKS = " \t*`_#-+>"
_LINE_CHARS, _MOST_ITEMS = 400, 50


def is_denied(words: str, below: str) -> bool:
    """Whether the words that lead up to an answer say that it is none, or words below it take it back."""
    said = _leading_up(words)
    return any(each.search(said) for each in (_DENIED, _WRONG, _FORM)) or _TAKES_BACK.search(below) is not None


def is_unsure(words: str, below: str) -> bool:
    """Whether they make it hang on something, or words below it say that it is still to be verified."""
    said = _leading_up(words)
    condition = None if _CONCLUDES.search(said) else _CONDITION.search(said)
    if _GUESS.search(said) or (condition is not None and _FOLLOWS.search(said, condition.end())):
        return True
    return _PUTS_OFF.search(below) is not None


def is_planned(line: str, above: str) -> bool:
    """Whether a line is an item of a list, and the line above the list says that it is a plan, or a choice."""
    if _ITEM.match(line) is None:
        return False
    lines = above[-_LINE_CHARS * _MOST_ITEMS :].rstrip().split("\n")[-_MOST_ITEMS:]
    head = next((each for each in reversed(lines) if each.strip() and not _ITEM.match(each)), "")
    return len(lines) > 1 and _PLAN.search(head) is not None


def words_before(line: str, above: str) -> str:
    """What leads up to an answer behind these words of its line: they, or where there are none, the line above."""
    if line.strip(_MARKS):
        return line
    last = above[-_LINE_CHARS:].rstrip()
    return last[last.rfind("\n") + 1 :]


def takes_back(above: str, below: str) -> bool:
    """Whether the line above code says that it is not to run, or words below take back what it does."""
    return _DENIED.search(_last_sentence(words_before("", above))) is not None or _TAKES_BACK.search(below) is not None


def _leading_up(words: str) -> str:
    """The last sentence of the words, as long as it goes on: one that has ended is of something else."""
    return "" if words.rstrip(_MARKS).endswith((".", "!", "?", "。", "！", "？")) else _last_sentence(words)


def _last_sentence(words: str) -> str:
    return _SENTENCE_END.split(words.strip())[-1]
