"""A trace as one HTML page that opens without a network: its data, and a few hundred lines of script that draw it.

The page is the same for every trace but for the JSON in it. What models and documents wrote is data, and becomes text
nodes alone; a content security policy refuses everything that is not the page's own.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from rlm_integrations.trace_page.texts import LongTexts, script_json

_FOLDER = Path(__file__).with_name("browser")
_SCRIPTS = ("text", "code", "model", "totals", "overview", "timeline", "calls", "steps", "search", "keys", "main")
"""In the order in which they stand in the page; each uses names of those before it."""
MARK = '<meta name="generator" content="rlm-integrations">'
"""Stands at the head of each page, and says whose it is."""

_AROUND = 300
"""Characters of a document before a quote that was cited, and behind it."""
_NONE: Mapping[str, str] = {}


def page_of(trace: Mapping[str, Any], documents: Mapping[str, str] = _NONE) -> str:
    """The page of a trace, given as its JSON. It needs no network, and no other file.

    Args:
        trace: what RLMTrace dumps.
        documents: texts by id, for what stands around the quotes that were cited from them.
    """
    texts = LongTexts()
    passages = [_passage(cited, documents) for cited in trace.get("citations", ())]
    data = script_json(texts.take_from({"trace": trace, "passages": passages}))
    parts = [f'<script type="application/json" class="texts">{script_json(part)}</script>' for part in texts.parts]
    before, between, after = _shell()
    return "".join((before, data, between, *parts, after))


def _passage(cited: Mapping[str, Any], documents: Mapping[str, str]) -> dict[str, Any] | None:
    """What stands around a quote; None where its document is not given, or is another one by now."""
    text, start, end = documents.get(cited["document_id"]), cited["start_index"], cited["end_index"]
    if text is None or text[start:end] != cited["cited_text"]:
        return None
    return {"before": text[max(0, start - _AROUND) : start], "after": text[end : end + _AROUND], "length": len(text)}


def write_page(trace: Mapping[str, Any], path: str | os.PathLike[str], documents: Mapping[str, str] = _NONE) -> None:
    """Write the page of a trace; a new file is its owner's alone. Raises OSError where it cannot be written: what is
    there of it then is removed, for half a page shows nothing.
    """
    page = page_of(trace, documents)
    begun = False
    try:
        with open(path, "w", encoding="utf-8", newline="\n", opener=_for_its_owner) as file:
            begun = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            file.write(page)
    except OSError:
        if begun:
            os.unlink(path)
        raise


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@cache
def _shell() -> tuple[str, str, str]:
    """The page without a trace: what stands before its data, between that and its long texts, and after these."""
    style = _read("page.css")
    script = "\n".join(_read(f"{name}.js") for name in _SCRIPTS)
    script = f'(() => {{\n"use strict";\n{script}\n}})();\n'
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    page = _read("page.html")
    for place, content in (("MARK", MARK), ("POLICY", policy), ("STYLE", style), ("SCRIPT", script)):
        page = page.replace(f"<!--{place}-->", content)
    before, _, rest = page.partition("<!--TRACE-->")
    between, _, after = rest.partition("<!--TEXTS-->")
    return before, between, after


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"
