"""An exception of the model's code, as the root LM is told of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from errno import EPERM
from types import TracebackType
from typing import cast

from rlm_integrations.wire.steps import MESSAGE_CHARS, CodeError, ErrorKind

_SOURCE_CHARS = 200
_INNER_SHOWN = 10
_NO_COMMANDS = " (this is plain Python: it has no ! or % commands, and nothing can be installed)"
_COMMAND = re.compile(r"(?:[A-Za-z_]\w*\s*=\s*)?[!%]|(?:pip3?|conda|uv|apt|apt-get)\s+\w")
"""How a line begins that only a notebook takes."""

# Straight from the C level: a class of the model's may redefine these names. For the same reason its type
# is asked for by `type`, never by `isinstance`.
_traceback_of: Callable[[BaseException], TracebackType | None] = BaseException.__dict__["__traceback__"].__get__
_errno_of: Callable[[BaseException], object] = OSError.__dict__["errno"].__get__
_attributes_of: Callable[[BaseException], dict[str, object]] = BaseException.__dict__["__dict__"].__get__
_name_of_type: Callable[[type], str] = type.__dict__["__name__"].__get__

NOT_HERE = " (this session has no files, network or other processes: all there is stands in its variables)"
"""What an error says besides, where code asked for one of them."""

_NO_OPENSSL = " (this Python has no OpenSSL: hashlib.sha256 and its like are here, and hmac)"

_A_DOCUMENT = ' (a document is a dict: document["id"], document["text"], document["metadata"])'
_A_DOCUMENT_OR_ANSWER = ' (a document is a dict, and so is answer: document["text"], answer["content"])'

_MEANT = {
    "Temporary failure in name resolution": NOT_HERE,  # it would not be temporary
    "Name or service not known": NOT_HERE,
    "unknown url type: https": NOT_HERE,  # there is no ssl
    "has no attribute 'HTTPSConnection'": NOT_HERE,
    "unable to open database file": NOT_HERE,
    "No usable temporary directory": NOT_HERE,
    "module 'hashlib' has no attribute 'scrypt'": _NO_OPENSSL,
    "module 'hashlib' has no attribute 'pbkdf2_hmac'": _NO_OPENSSL,
    **{f"'dict' object has no attribute '{name}'": _A_DOCUMENT for name in ("text", "id", "metadata", "page_content")},
    "'dict' object has no attribute 'content'": _A_DOCUMENT_OR_ANSWER,
    "'dict' object has no attribute 'ready'": ' (answer is a dict: answer["ready"] = True)',
    "asyncio.run() cannot be called from a running event loop": " (await it instead)",
    "This event loop is already running": " (await it instead)",
}
"""What an error means here, by words of its own."""

INTERRUPTED = "stopped after the step's time limit"
"""The error of code that was interrupted; the host knows better why."""


def type_name(value: object) -> str:
    """The name of the value's class, in one line; "object" where that is no name."""
    name = _name_of_type(type(value))
    return name if name.isidentifier() and len(name) <= 100 else "object"


def code_error(
    error: BaseException, message: str, *, block: int, source: str, filename: str, last_line: int | None
) -> CodeError:
    """What was raised. The line is that of the innermost frame of the block itself.

    `last_line` stands in where no frame of the block was left: its last value was being shown.
    """
    if issubclass(type(error), KeyboardInterrupt):
        return error_in("interrupted", INTERRUPTED, block, source, _line_in(error, filename) or last_line)
    return error_in("raised", message, block, source, _line_in(error, filename) or last_line)


def is_clean_exit(error: BaseException) -> bool:
    """Whether it is `exit()`, or `sys.exit(0)`: code that ends, as code does."""
    if type(error) is not SystemExit:
        return False
    return error.code is None or (type(error.code) is int and error.code == 0)


def uncompiled(error: Exception, message: str, *, block: int, source: str) -> CodeError:
    """The same for a block that did not compile."""
    if isinstance(error, SyntaxError):
        return error_in("syntax", f"{type(error).__name__}: {error.msg}", block, source, error.lineno)
    return error_in("syntax", message, block, source, None)


def message_of(error: BaseException) -> str:
    """ "Type: text", and what to know of it in a REPL; at most 2,000 characters.

    Runs the exception's own `__str__`, and survives what it raises.
    An interrupt comes through.
    """
    text = f"{type_name(error)}{_text_of(error)}{_notes_of(error)}"
    if issubclass(type(error), BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        inner = [f"{type_name(one)}{_text_of(one)}" for one in group.exceptions[:_INNER_SHOWN]]
        text = f"{text}: {'; '.join(inner)}"
    return text if len(text) <= MESSAGE_CHARS else text[: MESSAGE_CHARS - 1] + "…"


def _text_of(error: BaseException) -> str:
    try:
        text = str(error)
    except KeyboardInterrupt:
        raise
    except BaseException:
        return ": (its text cannot be read)"
    # EPERM is what a filter of system calls answers; for a file of another user's it would be EACCES
    denied = issubclass(type(error), PermissionError) and _errno_of(error) == EPERM
    text = text[:MESSAGE_CHARS]
    meant = NOT_HERE if denied else next((words for said, words in _MEANT.items() if said in text), "")
    return (f": {text}" if text else "") + meant


def _notes_of(error: BaseException) -> str:
    """What was said by `add_note`, a line each."""
    notes: object = _attributes_of(error).get("__notes__")
    if type(notes) is not list:
        return ""
    return "".join(f"\n{note}" for note in cast("list[object]", notes)[:_INNER_SHOWN] if type(note) is str)


def error_in(kind: ErrorKind, message: str, block: int, source: str, line: int | None) -> CodeError:
    """An error in a line of a block, with its source."""
    lines = source.split("\n")
    text = lines[line - 1].strip()[:_SOURCE_CHARS] if line is not None and 0 < line <= len(lines) else ""
    if kind == "syntax" and _COMMAND.match(text):
        message += _NO_COMMANDS
    return CodeError(block, line, text, message[:MESSAGE_CHARS], kind)


def _line_in(error: BaseException, filename: str) -> int | None:
    line = None
    step = _traceback_of(error)
    while step is not None:
        if step.tb_frame.f_code.co_filename == filename:
            line = step.tb_lineno
        step = step.tb_next
    return line
