"""What users pass that is nearly a corpus, or a document of one, and what to pass in its place."""

from __future__ import annotations

import io
from collections.abc import AsyncIterable, Iterable
from inspect import isawaitable
from typing import Any, cast

from pydantic import BaseModel


def named_kind(given: object) -> str:
    """What it is, in an error."""
    return f"the class {given.__name__}" if isinstance(given, type) else type(given).__name__


def is_no_collection(given: object) -> bool:
    """Whether it holds no documents to iterate over: an open file gives its lines, a model of pydantic its fields."""
    if not isinstance(given, Iterable) or is_stream(cast("object", given)):
        return True
    return isinstance(given, BaseModel) and type(given).__iter__ is BaseModel.__iter__


def is_stream(given: object) -> bool:
    """Whether it is an open file, or what is read as one: to iterate over it gives its lines."""
    return isinstance(given, io.IOBase) or isinstance(getattr(given, "file", None), io.IOBase)


def remedy_for(given: object) -> str | None:
    """What to pass in its place; None where it is nearly nothing that is known."""
    if isinstance(given, (bytes, bytearray)):
        return "decode it: data.decode()"
    if is_stream(given):
        return "read it, and pass its text: file.read(); or pass Path(...), which names the document"
    if isinstance(given, type):
        return f"make an instance, {given.__name__}(...), and pass that or what it loads"
    if isawaitable(given):
        return "await it, and pass what it gives"
    if isinstance(given, AsyncIterable):
        return "collect it, and pass the list: [document async for document in it]"
    if load := _loads(given):
        return f"pass what it loads: {type(given).__name__}(...).{load}(), of several [*one.{load}(), *other.{load}()]"
    if callable(getattr(given, "as_string", None)):
        return "pass its text, blob.as_string(), or {name: blob.as_string()}"
    if callable(given):
        return "call the function, and pass what it returns"
    if isinstance(given, list):
        return "pass one flat list of documents, not a list of lists"
    return None


def _loads(given: Any) -> str | None:
    """The method by which a loader of LangChain, or a reader of LlamaIndex, gives its documents."""
    return next((name for name in ("load", "load_data") if callable(getattr(given, name, None))), None)
