"""What a reasoning model thought before it spoke is not its reply: where a server leaves it in the text, it goes out.

Servers without a reasoning parser send it as the model wrote it: between tags, before a lone closing tag (the opening
one stood in the prompt), after an opening one that never closes, or in channels. What the model wrote beyond the end of
its turn, where a server missed that, is no part of its reply either.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from rlm_integrations.core.calls.endings import MOST_READ_CHARS
from rlm_integrations.core.calls.fenced_thoughts import has_fenced_thoughts, without_fenced_thoughts
from rlm_integrations.core.calls.own_turn import own_turn
from rlm_integrations.core.calls.reply_fields import call_text
from rlm_integrations.core.language_model import ToolCall

_MARK = re.compile(
    r"(?P<fence>^[ \t]*+(?:`{3,}+|~{3,}+)(?P<info>[^\n`<]*+)$)"
    r"|(?>(?P<line>^[ \t]*+)?)(?:(?P<channel><\|channel>thought\b|<unused94>thought\b)"
    r"|(?P<channel_end><channel\|>|<unused95>)"
    r"|(?:[<\[◁]|&lt;) ?+[|｜]?+(?P<slash>/?+) ?+\|?+(?P<name>[\w:.▁-]{1,40}+)"
    r"(?>(?P<attributes>\s[^<>&\n]{0,80}+)?)[|｜]?+"
    r"(?:[>\]▷]|&gt;))",
    re.MULTILINE,
)
_SURE = ("think", "thinking")
"""Tags for thoughts alone: models put their name before them, as in <seed:think>."""
_CODE = ("", "repl", "python", "python3", "py", "tool_code")
"""Fences that may run: one that was begun amid thoughts hides nothing of where those end."""
_LIKELY = (
    *("thought", "thoughts", "reasoning", "reasoning_scratchpad", "reflection", "scratchpad", "monologue", "cot"),
    *("analysis", "planning", "chain_of_thought"),
)
"""Tags that answers have for other things too: they count at the start of a reply alone."""
_BEGINNINGS = ("start_thinking", "thinking_start", "begin_of_thought", "begin▁of▁thinking")
_ENDINGS = ("end_thinking", "thinking_end", "end_of_thought", "end▁of▁thinking")
_QUOTES = "\"'`"
_TO_CLOSE = re.compile(r"[ \t]*+(?:$|```|~~~|<\|)", re.MULTILINE)
_REPLY = re.compile(
    r"\w|[ \t]*+(?:$|```|~~~|<\||<(?:answer|response|solution|output|final)\b|\{|FINAL(?>(?:_VAR)?)\()",
    re.MULTILINE | re.IGNORECASE,
)
"""How what is said begins behind thoughts, and no sentence goes on behind a tag that it names."""
_AROUND = " \t*_\"'`)]"
_SENTENCE_ENDS = tuple(".!?…。！？")
_ITEM = re.compile(r"[ \t]*+\d{1,4}+[.)][ \t]*+\Z")
_LINE_CHARS = 200
"""Of a line that is looked at to tell whether words stand before a tag."""
_HARMONY = re.compile(r"<\|(start|channel|message|constrain|end|return|call)\|>")
_TO = re.compile(r"\bto=(?P<to>[\w.]{1,60}+)")
_BARE_ANALYSIS = re.compile(
    r"(?>(?:assistant)?)analysis(?=[^\w\s]|(?P<sentence>[A-Z](?>[\w'’]*+)(?:[ ,]|[.:;!?] ))|[A-Z])"
)
_BARE_CHANNEL = re.compile(
    r"(?:assistant(?:final|commentary)|\A\s*+commentary(?=[ \t]++to=))(?>(?:[ \t]++to=(?P<to>[\w.]++))?)"
    r"(?>(?:[ \t]*+(?:code|json(?=\{)))?)"
)
_BARE_TURN = re.compile(r"(?>(?:[\w.]{1,60}+ to=)?)assistant(?:final|commentary|analysis)")
"""What is left of harmony where a server drops its special tokens."""
_SPOKEN_THOUGHTS = re.compile(r"\s*+(?:Here is|Here's) my thought process:", re.IGNORECASE)
_SPOKEN_REPLY = re.compile(r"^(?:Here is|Here's) my response:", re.IGNORECASE | re.MULTILINE)
"""As Granite puts it."""
_CLI_THOUGHTS, _CLI_REPLY = re.compile(r"\s*+Thinking\.\.\.\n"), re.compile(r"^\.\.\.done thinking\.$", re.MULTILINE)
"""As the command line of Ollama prints them."""
_FRAMES = re.compile(
    r"<\|(?:start_response|end_response|begin_of_solution|end_of_solution|begin_of_box|end_of_box)\|>", re.IGNORECASE
)
_FRAMED_ANSWER = re.compile(
    r"(?<!`)<\|begin_of_box\|>(?P<said>[^<]*+)<\|end_of_box\|>"
    r"|\A\s*+<\|START_RESPONSE\|>|<\|END_RESPONSE\|>\s*+\Z"
)
"""The same where no thoughts stand above them."""
_FRAMED = (("<answer>", "</answer>"), ("<response>", "</response>"))
"""What models put around the reply that follows their thoughts."""
_SIGNS = (
    *("<", "THINK]", "[think]", "◁", "analysis", "assistantfinal", "commentary", "my response:"),
    *("done thinking.", "[/INST]", "&lt;"),
)
"""One of them stands in every text that has any of the marks above."""


def split_thoughts(text: str) -> tuple[str, str]:
    """A completion's text -> what it says, what was thought. Takes time in proportion to the text.

    Stop tokens that a server left at its end go too. A text without any of these comes back as it is,
    and so does one that is longer than a reasoning model writes: `long_thoughts.py` tells of those in it.
    """
    if len(text) > MOST_READ_CHARS or not (any(map(text.__contains__, _SIGNS)) or has_fenced_thoughts(text)):
        return text, ""
    text = own_turn(text)
    if text.lstrip().startswith(("<|channel|>", "<|start|>")) or "<|channel|>analysis" in text:
        said, thoughts = _channels(text)
        return "\n".join(map(str.strip, said)).strip(), _joined(thoughts)
    bare = _bare(text)
    text, fenced = without_fenced_thoughts(text) if bare is None else (text, [])
    said, thoughts = bare or _tagged(text)
    if bare is None and not thoughts and not fenced:
        return _FRAMED_ANSWER.sub(r"\g<said>", text), ""
    thoughts = [*fenced, *thoughts]
    reply = _FRAMES.sub("", "".join(said)).strip()
    return _unframed(reply), _joined(thoughts)


def _unframed(reply: str) -> str:
    """The reply without the tags around it, of which the second may be missing."""
    for opening, closing in _FRAMED:
        if reply.startswith(opening) and reply.count(opening) == 1:
            said = reply.removeprefix(opening).removesuffix(closing)
            return reply if closing in said else said.strip()
    return reply


def _joined(thoughts: list[str]) -> str:
    return "\n\n".join(filter(None, map(str.strip, thoughts)))


def _bare(text: str) -> tuple[list[str], list[str]] | None:
    """Thoughts that words alone set apart; None where none do."""
    if channel := _BARE_CHANNEL.match(text):
        return [_bare_call(text, channel) if channel["to"] else text[channel.end() :]], []
    if analysis := _BARE_ANALYSIS.match(text):
        channel = _BARE_CHANNEL.search(text)
        if channel is None:  # an answer may begin with the word too
            return ([], [text[analysis.end() :]]) if analysis["sentence"] else None
        said = _bare_call(text, channel) if channel["to"] else text[channel.end() :]
        return [said], [text[analysis.end() : channel.start()]]
    if (cli := _CLI_THOUGHTS.match(text)) and (reply := _CLI_REPLY.search(text, cli.end())):
        return [text[reply.end() :]], [text[cli.end() : reply.start()]]
    if (spoken := _SPOKEN_THOUGHTS.match(text)) and (reply := _SPOKEN_REPLY.search(text, spoken.end())):
        return [text[reply.end() :]], [text[spoken.end() : reply.start()]]
    return None


def _bare_call(text: str, channel: re.Match[str]) -> str:
    """What is said to a tool in the channel, as text that calls it, without what follows: the tool has said nothing."""
    below = _BARE_TURN.search(text, channel.end())
    return _called(channel["to"], text[channel.end() : len(text) if below is None else below.start()])


class _Tag(NamedTuple):
    """A tag around thoughts."""

    name: str
    closes: bool
    sure: bool
    """Whether it has no other use."""

    def closed_by(self, other: _Tag) -> bool:
        """Models mix up the names that they have for thinking."""
        return other.name == self.name or (other.sure and self.name != "details")


def _tag_of(mark: re.Match[str]) -> _Tag | None:
    if mark["name"] is None:
        return None if mark["fence"] is not None else _Tag("channel", mark["channel"] is None, True)
    name, closes = mark["name"].lower(), bool(mark["slash"])
    if "[" in mark[0]:
        return _Tag("think", closes, True) if mark["name"] == "THINK" else None
    if name in _BEGINNINGS or name in _ENDINGS:
        return _Tag("think", name in _ENDINGS, True)
    if name == "details":
        return _Tag(name, closes, False) if closes or 'type="reasoning"' in (mark["attributes"] or "") else None
    if name.endswith(_SURE):
        return _Tag("think", closes, True)
    return _Tag(name, closes, False) if name.endswith(_LIKELY) else None


def _tagged(text: str) -> tuple[list[str], list[str]]:
    said: list[str] = []
    thoughts: list[str] = []
    begin = len(text) - len(text.lstrip())
    at, in_fence, named, shown, of_text = 0, False, -1, False, False
    inside: _Tag | None = None
    for mark in _MARK.finditer(text):
        tag = _tag_of(mark)
        start = mark.start() + len(mark["line"] or "")
        if tag is None:
            if mark["fence"] is not None and inside is None:
                info = mark["info"].strip().lower()
                in_fence, shown, of_text = not in_fence or bool(info), False, info not in _CODE
        elif inside is not None:
            if tag.closes and inside.closed_by(tag) and not _is_spoken_of(text, start, mark.end()):
                thoughts.append(text[at:start])
                at, inside = mark.end(), None
        elif not tag.closes:
            at_margin = mark["line"] is not None
            ends_line = tag.sure and text.startswith("\n", mark.end()) and not _is_spoken_of(text, start, mark.end())
            if (at_margin or ends_line) and not in_fence and (tag.sure or start == begin):
                said.append(text[at:start])
                at, inside = mark.end(), tag
            elif in_fence and of_text:
                shown = True  # with the closing one, as part of what the fence shows
            elif _follows_words(text, start):
                named = mark.end()
        elif shown:
            shown = False
        elif tag.sure and not _is_spoken_of(text, start, mark.end()) and _may_close(text, mark.end(), in_fence):
            paired = named >= 0 and "\n" not in text[named:start]
            named = -1  # so that no line is read twice
            if not (paired or _follows_words(text, start)) or _REPLY.match(text, mark.end()):
                thoughts += [*said, text[at:start]]  # the opening one stood in the prompt
                said, at, in_fence = [], mark.end(), False
    if inside is None:
        return [*said, text[at:]], thoughts
    if any("```" in piece for piece in said):
        return said, [*thoughts, text[at:]]
    return [], [*said, *thoughts, text[at:]]  # cut while it thought: words above are no answer yet


def _is_spoken_of(text: str, start: int, end: int) -> bool:
    """Whether a tag stands in quotes or backticks, or is escaped."""
    before = text[start - 1 : start]
    if text.endswith("```", 0, start):
        return False
    return before == "\\" or (before != "" and before in _QUOTES and text.startswith(before, end))


def _follows_words(text: str, start: int) -> bool:
    """Whether a tag stands behind words of its line as one of them: no sentence ends there, and it is glued to none."""
    line = text[max(0, start - _LINE_CHARS) : start].rpartition("\n")[2]
    words = line.rstrip("*_\"'`")
    if not line.strip() or (words and not words[-1].isspace() and words[-1] not in "([{|"):
        return False
    return not words.rstrip(_AROUND).endswith(_SENTENCE_ENDS) or _ITEM.match(words) is not None


def _may_close(text: str, end: int, in_fence: bool) -> bool:
    """Amid a line of code it is part of the code."""
    return not in_fence or _TO_CLOSE.match(text, end) is not None


def _channels(text: str) -> tuple[list[str], list[str]]:
    """Harmony's messages: <|channel|>analysis<|message|>...<|end|> and so on. What no channel is named for is said.

    What is said to a tool stands as a call of it, in whatever channel, and ends the turn: what follows, whoever is made
    to say it, was written before the tool said anything. Words on the way to a final message are thoughts beside it.
    """
    said: list[str] = []
    thoughts: list[str] = []
    preamble: list[str] = []
    into, at, header, to = said, 0, "", ""
    for token in _HARMONY.finditer(text):
        piece = text[at : token.start()]
        at = token.end()
        if header:  # a role, a channel's name, or what its content is
            if header == "start" and not piece.lstrip().startswith("assistant"):
                break
            if addressed := _TO.search(piece):
                to = addressed["to"]
            name = piece.lstrip()
            into = thoughts if name.startswith("analysis") else preamble if name.startswith("commentary") else into
        elif _say(piece, to, into, said):
            break
        else:
            into, to = said, ""
        header = token[1] if token[1] in ("start", "channel", "constrain") else ""
    else:
        if not header:
            _say(text[at:], to, into, said)
    if any(map(str.strip, said)):
        return said, thoughts + preamble
    return preamble, thoughts


def _say(piece: str, to: str, into: list[str], said: list[str]) -> bool:
    """Returns whether it is said to a tool."""
    if not to or to == "assistant":
        into.append(piece)
        return False
    said.append(_called(to, piece))
    return True


def _called(to: str, content: str) -> str:
    """What is said to a tool, as text that calls it. Code for Python in a fence stands as it is."""
    name = to.rpartition(".")[2] if to.startswith("functions.") else to
    content = content.strip()
    if name in ("python", "repl") and content[:1] != "{":
        if content.startswith(("```", "~~~")):
            return content
        content = json.dumps({"code": content})
    return call_text([ToolCall(name, content)])
