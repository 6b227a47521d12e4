"""Mail: a message with its main headers and its decoded body."""

from __future__ import annotations

import email
import re
from email import policy
from email.message import EmailMessage
from typing import Any, cast

from rlm_integrations.files.conversion.markup import text_of_html
from rlm_integrations.files.conversion.parts import Note, Part, Parts, UnreadableError, numbered

_HEADERS = ("From", "To", "Cc", "Date", "Subject")
_from_line = re.compile(rb"^From [^\r\n]++\r?+\n", re.MULTILINE)


def message(data: bytes, note: Note) -> Parts:
    read = _parsed(data)
    yield Part(_text(read), metadata=_facts(read))


def messages_of_mbox(data: bytes, note: Note) -> Parts:
    """A part for each message. A line "From ..." begins one where it stands first, or below an empty line."""
    starts = [
        found
        for found in _from_line.finditer(data)
        if not found.start() or data[max(0, found.start() - 4) : found.start()].endswith((b"\n\n", b"\n\r\n"))
    ]
    if not starts or starts[0].start():
        raise UnreadableError("damaged", "it is no mailbox")
    ends = [found.start() for found in starts[1:]] + [len(data)]
    for number, (start, end) in enumerate(zip(starts, ends, strict=True), 1):
        raw = data[start.end() : end].replace(b"\n>From ", b"\nFrom ")
        read = _parsed(raw)
        yield numbered("message", number, _text(read), _facts(read))


def _parsed(data: bytes) -> EmailMessage:
    return email.message_from_bytes(data, policy=policy.default)


def _facts(read: EmailMessage) -> dict[str, Any]:
    headers = {name.lower(): _header(read, name) for name in ("From", "Date", "Subject")}
    return {name: value for name, value in headers.items() if value}


def _header(read: EmailMessage, name: str) -> str:
    try:
        return " ".join(str(read.get(name, "")).split())
    except Exception:  # headers that break the parser of the standard library
        raw = next((value for key, value in read.raw_items() if key.lower() == name.lower()), "")
        return " ".join(str(raw).split())


def _text(read: EmailMessage) -> str:
    lines = [f"{name}: {value}" for name in _HEADERS if (value := _header(read, name))]
    attached: list[str] = []
    bodies: list[str] = []
    _collect(read, bodies, attached)
    lines += [f"Attachment: {name}" for name in attached]
    return "\n".join(lines) + "\n\n" + "\n\n".join(body.strip("\n") for body in bodies)


def _collect(part: EmailMessage, bodies: list[str], attached: list[str]) -> None:
    """The texts of a message in order. Of alternatives plain text is taken where there is one."""
    kind = part.get_content_type()
    if kind == "message/rfc822":
        for inner in cast("list[EmailMessage]", part.get_payload()):
            bodies.append(_text(inner))
    elif part.is_multipart():
        parts = cast("list[EmailMessage]", part.get_payload())
        if kind == "multipart/alternative":
            plain = [each for each in parts if each.get_content_type() == "text/plain"]
            parts = plain[-1:] or parts[-1:]
        for each in parts:
            _collect(each, bodies, attached)
    elif kind in ("text/plain", "text/html") and part.get_content_disposition() != "attachment":
        text = _decoded(part)
        bodies.append(text_of_html(text) if kind == "text/html" else text)
    else:
        attached.append(f"{part.get_filename() or 'without a name'} ({kind})")


def _decoded(part: EmailMessage) -> str:
    raw = cast(bytes, part.get_payload(decode=True)) or b""
    for charset in (part.get_content_charset() or "utf-8", "utf-8", "cp1252"):
        try:
            return raw.decode(charset)
        except (LookupError, UnicodeError):
            continue
    return raw.decode("latin-1")
