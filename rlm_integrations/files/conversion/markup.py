"""HTML as text: what a browser would show, without tags, scripts and styles."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser

from rlm_integrations.files.conversion.parts import Note, Part, Parts, UnreadableError
from rlm_integrations.files.decoding import declared_encoding, decode

_BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "body", "br", "caption", "center", "dd", "details", "dialog", "div",
    "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header",
    "hr", "html", "legend", "main", "nav", "ol", "option", "p", "pre", "section", "summary", "table", "tbody", "tfoot",
    "thead", "title", "tr", "ul",
})  # fmt: skip
_UNSEEN = frozenset({"script", "style", "template", "noscript", "svg", "math", "object", "iframe", "select"})
_spaces = re.compile(r"[ \t\r\n\f\v\xa0]++")
_spaces_before_break = re.compile(r"(?<! ) ++\n")


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._unseen = ""
        self._depth = 0
        self._preformatted = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._unseen:
            self._depth += tag == self._unseen
        elif tag in _UNSEEN:
            self._unseen, self._depth = tag, 1
        else:
            self._preformatted += tag == "pre"
            self._mark(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self._unseen:
            self._mark(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._unseen:
            self._depth -= tag == self._unseen
            if not self._depth:
                self._unseen = ""
        else:
            self._preformatted = max(0, self._preformatted - (tag == "pre"))
            if (tag in _BLOCKS and tag != "br") or tag == "li":
                self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.pieces.append(data if self._preformatted else _spaces.sub(" ", data))

    def _mark(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.pieces.append("\t")
        elif tag == "li":
            self.pieces.append("\n- ")
        elif tag in _BLOCKS:
            self.pieces.append("\n")


def text_of_html(html: str) -> str:
    """The visible text, a paragraph a line; cells of a table have tabs between them."""
    parser = _Text()
    parser.feed(html)
    parser.close()
    lines: list[str] = []
    for line in _spaces_before_break.sub("\n", "".join(parser.pieces)).split("\n"):
        bare = line.rstrip().removeprefix("\t")
        kept = bare[1:] if bare.startswith(" ") and not bare.startswith("  ") else bare
        if kept or (lines and lines[-1]):
            lines.append(kept)
    return "\n".join(lines).strip("\n")


def decoded_markup(data: bytes, note: Note) -> str:
    """HTML or XML as str. Raises UnreadableError where no encoding makes text of it."""
    decoded = decode(io.BytesIO(data), len(data), declared_encoding(data[:2048]))
    if decoded is None:
        raise UnreadableError("binary")
    if decoded.note:
        note(decoded.note.replace(", a guess", ""))
    return decoded.text


def page(data: bytes, note: Note) -> Parts:
    yield Part(text_of_html(decoded_markup(data, note)))
