"""Puts a corpus into a VM, in parts that it can take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlm_integrations.sandboxes.monty.vm import Vm

PlainDocument = dict[str, Any]

PIECE_CHARS = 4_000_000
"""What goes into the VM at once: it holds twice as much while it reads it."""

_RECORD_CHARS = 1_000  # what a document without text counts
_DOCUMENT_BYTES, _VALUE_BYTES, _LOADING_BYTES = 1_500, 200, 48 << 20


def memory_needed(context: str | Sequence[PlainDocument] | None) -> int:
    """Bytes of the VM's heap that a corpus takes, at most, while it is loaded."""
    if isinstance(context, str):
        return 2 * _utf8_bytes(context) + _LOADING_BYTES
    needed = largest = 0
    for document in context or ():
        size = _utf8_bytes(document["text"])
        largest = max(largest, size)
        needed += size + _DOCUMENT_BYTES + sum(map(_value_bytes, _beside(document).values()))
    return needed + largest + _LOADING_BYTES


def load_corpus(vm: Vm, context: str | Sequence[PlainDocument] | None) -> None:
    """Bind `context` and `answer`. Raises VmOutOfMemoryError."""
    bound = "None"
    if isinstance(context, str):
        _load_pieces(vm, context)
        bound = "_rlm_joined_pieces()"
    elif context is not None:
        _load_documents(vm, context)
        bound = "_rlm_documents"
    vm.feed(f'context = {bound}\nanswer = {{"content": "", "ready": False}}\n_rlm_begin(locals())')


def _load_documents(vm: Vm, documents: Sequence[PlainDocument]) -> None:
    batch: list[tuple[str, str, Any]] = []
    room = PIECE_CHARS
    for document in documents:
        id_, text, beside = document["id"], document["text"], _beside(document)
        if len(text) > PIECE_CHARS:
            vm.feed("_rlm_load(_rlm_batch)", _rlm_batch=batch)
            batch, room = [], PIECE_CHARS
            _load_pieces(vm, text)
            vm.feed("_rlm_load([(_rlm_batch[0], _rlm_joined_pieces(), _rlm_batch[1])])", _rlm_batch=[id_, beside])
            continue
        room -= len(text) + _RECORD_CHARS
        if room < 0:
            vm.feed("_rlm_load(_rlm_batch)", _rlm_batch=batch)
            batch, room = [], PIECE_CHARS
        batch.append((id_, text, beside))
    vm.feed("_rlm_load(_rlm_batch)\n_rlm_batch = None", _rlm_batch=batch)


def _beside(document: PlainDocument) -> dict[str, Any]:
    """What a document has besides its id and text."""
    return {key: value for key, value in document.items() if key not in ("id", "text")}


def _load_pieces(vm: Vm, text: str) -> None:
    for begin in range(0, len(text), PIECE_CHARS):
        vm.feed("_rlm_load_piece(_rlm_piece)", _rlm_piece=text[begin : begin + PIECE_CHARS])
    vm.feed("_rlm_piece = None")


def _utf8_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _value_bytes(value: Any) -> int:
    """What plain metadata takes, roughly and rather too much."""
    if isinstance(value, str):
        return _VALUE_BYTES + 4 * len(value)
    if isinstance(value, dict):
        return _VALUE_BYTES + sum(_value_bytes(key) + _value_bytes(inner) for key, inner in value.items())  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    if isinstance(value, list):
        return _VALUE_BYTES + sum(map(_value_bytes, value))  # pyright: ignore[reportUnknownArgumentType]
    return _VALUE_BYTES
