"""Strs that name a file or a page where the text itself was asked for."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from rlm_integrations.core.errors import InvalidArgumentError

_NAME_CHARS = 1024
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}+://[^\s]++")
_ROOTED = ("/", "~/", "./", "../")
_ENDINGS = {
    "csv", "doc", "docx", "eml", "epub", "gz", "htm", "html", "ipynb", "json", "jsonl", "log", "markdown", "md", "mbox",
    "parquet", "pdf", "ppt", "pptx", "py", "rst", "tex", "tsv", "txt", "xls", "xlsx", "xml", "yaml", "yml", "zip",
}  # fmt: skip


def check_is_text(text: str) -> None:
    """Raises InvalidArgumentError for a str that is the name of a file, of a page, or of a file that is not there."""
    if not may_be_name(text):
        return
    if os.path.exists(text):
        raise InvalidArgumentError(
            f"context: the str {text!r} names an existing file or folder; pass Path({text!r}) to read it, "
            f"or [{text!r}] to take it as text"
        )
    if _URL.fullmatch(text):
        raise InvalidArgumentError(
            f"context: the str {text!r} is a URL, which is not fetched; pass the page's text, or your framework's "
            f"loader of it, or [{text!r}] to take it as text"
        )
    if _looks_like_path(text):
        raise InvalidArgumentError(
            f"context: the str {text!r} looks like a path, and there is no such file; pass Path(...) of one that is "
            f"there, or [{text!r}] to take it as text"
        )


def may_be_name(text: str) -> bool:
    """Whether `check_is_text` asks the file system, which may take its time."""
    return len(text) < _NAME_CHARS and "\n" not in text


def _looks_like_path(text: str) -> bool:
    """A name of a known kind, or one that begins at a root; of those with spaces in them, only what is both."""
    name, _, ending = text.rpartition(".")
    known = ending.lower() in _ENDINGS and name[-1:] not in ("", "/", "\\", " ")
    rooted = text.startswith(_ROOTED) or text[1:3] == ":\\"
    return known and rooted if any(map(str.isspace, text)) else known or rooted


def check_are_texts(items: Sequence[object]) -> None:
    """Raises InvalidArgumentError for a list of names of files, as `glob` makes it. One name alone is meant as text."""
    names = [item for item in items[:2] if isinstance(item, str) and may_be_name(item)]
    if len(names) == 2 == len(items[:2]) and all(map(_exists, names)) and all(map(_exists, items)):
        raise InvalidArgumentError(
            f"context: the {len(items):,} str name existing files ({names[0]!r} and so on); pass [Path(name) for "
            'name in names] to read them, or {"text": name} for each to take the names as texts'
        )


def _exists(name: object) -> bool:
    return isinstance(name, str) and len(name) < _NAME_CHARS and os.path.exists(name)
