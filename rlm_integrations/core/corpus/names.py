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


def check_are_texts(texts: Sequence[str]) -> None:
    """Raises InvalidArgumentError for names of files, as `glob` and `listdir` give them, and for URLs, where a list has
    nothing else. One name alone is meant as text.
    """
    if len(texts) < 2 or not all(map(_is_name, texts[:2])) or not all(map(_is_name, texts)):
        return
    as_texts = '{"text": name} for each to take the names as texts'
    if all(map(_URL.fullmatch, texts)):
        raise InvalidArgumentError(
            f"context: the {len(texts):,} str are URLs ({texts[0]!r} and so on), which are not fetched; pass the "
            f"pages' texts, or your framework's loader of them, or {as_texts}"
        )
    if all(map(os.path.exists, texts)):
        raise InvalidArgumentError(
            f"context: the {len(texts):,} str name existing files ({texts[0]!r} and so on); pass [Path(name) for name "
            f"in names] to read them, or {as_texts}"
        )
    raise InvalidArgumentError(
        f"context: the {len(texts):,} str look like names of files ({texts[0]!r} and so on), and not all of them are "
        f"there; pass [Path(folder, name) for name in names] to read them, or {as_texts}"
    )


def _is_name(text: str) -> bool:
    return may_be_name(text) and (os.path.exists(text) or bool(_URL.fullmatch(text)) or _looks_like_path(text))
