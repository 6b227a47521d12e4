"""What is kept of nodes that were read: plain values, which the garbage collector passes over.

A node of LlamaIndex is a dozen objects that it follows. A store makes them anew for every reader, and as many of them
as a large index has set off one collection of everything after the other, each of which stops all threads, the one
of the event loop too. So each is taken apart when it comes, and made again when an answer rests on it.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from llama_index.core.schema import BaseNode, IndexNode, MediaResource, TextNode
from pydantic import BaseModel

from rlm_integrations.core.image import Image
from rlm_integrations.frozen import frozen
from rlm_integrations.llama_index.node_text import beside_text, has_media, text_of_node

Row = tuple[
    str, str, str | None, int | None, str | None, str | None, str | None, "bytes | BaseNode | Mapping[str, Any] | None"
]
"""What a ReadNode is of. A tuple and no class, without a dict in it: such ones the garbage collector lets go of."""


@frozen
class ReadNode:
    """A node that was read."""

    row: Row
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the model may see; of one that is in a document already, that says it."""
    images: tuple[Image, ...] = ()
    untaken: str = ""
    """Why a picture that it has is not among them."""

    @classmethod
    def of(cls, node: BaseNode, *, fresh: bool = False, shown: bool = True) -> ReadNode:
        """`fresh`: a store has just made the node, and nobody else has it. `shown`: it is a part of the corpus.

        Raises InvalidArgumentError for metadata that is not plain.
        """
        text = text_of_node(node)
        previous, parent = node.prev_node, node.parent_node
        row: Row = (
            node.node_id,
            text,
            node.ref_doc_id,
            _own_start(node),
            previous.node_id if previous is not None else None,
            parent.node_id if parent is not None else None,
            node.index_id if isinstance(node, IndexNode) else None,
            _packed(node, text) if fresh else node,
        )
        if not shown:
            return cls(row)
        metadata, images, untaken = beside_text(node)
        return cls(row, metadata if text or images else {}, images, untaken)

    @classmethod
    def of_text(cls, node_id: str, text: str, metadata: Mapping[str, Any]) -> ReadNode:
        """One of a text that was no node."""
        return cls((node_id, text, None, None, None, None, None, metadata or None))

    @property
    def node_id(self) -> str:
        return self.row[0]

    @property
    def text(self) -> str:
        return self.row[1]

    @property
    def source_id(self) -> str | None:
        """The id of the document that it came from."""
        return self.row[2]

    @property
    def start(self) -> int | None:
        """Where it says that it stood in what it was cut from; None where it does not, or its text has changed."""
        return self.row[3]

    @property
    def previous_id(self) -> str | None:
        return self.row[4]

    @property
    def parent_id(self) -> str | None:
        return self.row[5]

    @property
    def points_at(self) -> str | None:
        """Of an IndexNode the id of what stands behind it."""
        return self.row[6]

    @property
    def node(self) -> BaseNode:
        """The node itself: the user's, or one like that which the store made."""
        kept = self.row[7]
        if kept is None or isinstance(kept, Mapping):
            return TextNode(id_=self.node_id, text=self.text, metadata=dict(kept or {}))
        return _unpacked(kept, self.text) if isinstance(kept, bytes) else kept


class ReadNodes:
    """The nodes of a corpus, each once, in the order in which they came.

    `ancestors` are nodes by id that are not part of it, but tell where their children stood.
    """

    def __init__(self) -> None:
        self.ancestors: Mapping[str, BaseNode] = {}
        self.count = 0
        """How many were added, repeated ones too."""
        self.mute = 0
        """How many hold an image that is not taken, sound or video, and no text."""
        self.captions = 0
        """How many hold an image that is not taken beside their text."""
        self.untaken = ""
        """Why the first of these images is not."""
        self.images: dict[str, tuple[Image, ...]] = {}
        """Of nodes that have some, by their ids."""
        self._rows: list[Row] = []
        self._metadata: list[Mapping[str, Any]] = []
        self._numbers: dict[object, int] = {}
        self._known: dict[str, ReadNode] = {}

    def add(self, node: BaseNode, *, fresh: bool = False) -> None:
        """See `ReadNode.of`."""
        read = ReadNode.of(node, fresh=fresh)
        self.count += 1
        self.mute += not read.text and not read.images and has_media(node)
        if read.untaken:
            self.captions += bool(read.text)
            self.untaken = self.untaken or f"node {read.node_id!r}: {read.untaken}"
        if read.images:
            self.images[read.node_id] = read.images
        key: object = read.node_id
        number = self._numbers.get(key)
        if number is not None and self._rows[number][1] != read.text:
            key = (read.node_id, read.text)
            number = self._numbers.get(key)
        if number is None:
            self._numbers[key] = len(self._rows)
            self._rows.append(read.row)
            self._metadata.append(read.metadata)
        else:
            self._rows[number], self._metadata[number] = read.row, read.metadata

    def __iter__(self) -> Iterator[ReadNode]:
        return map(ReadNode, self._rows, self._metadata)

    def __getitem__(self, number: int) -> ReadNode:
        return ReadNode(self._rows[number], self._metadata[number])

    def get(self, node_id: str) -> ReadNode | None:
        """The node, or ancestor, of that id."""
        number = self._numbers.get(node_id)
        if number is not None:
            return self[number]
        known = self._known.get(node_id)
        if known is None and (ancestor := self.ancestors.get(node_id)) is not None:
            known = self._known[node_id] = ReadNode.of(ancestor, shown=False)
        return known

    def parent_ids(self) -> Iterator[str]:
        return (read.parent_id for read in self if read.parent_id is not None)


def _own_start(node: BaseNode) -> int | None:
    if not isinstance(node, TextNode):
        return None
    start, end = node.start_char_idx, node.end_char_idx
    return start if start is not None and end is not None and 0 <= start == end - len(node.text) else None


def _packed(node: BaseNode, text: str) -> bytes | BaseNode:
    """As pydantic would pickle it, for LlamaIndex leaves out what it cannot; but for the text, which the row has.

    A node that has what cannot be pickled is kept as it is.
    """
    state = BaseModel.__getstate__(node)
    fields, resource = state["__dict__"], state["__dict__"].get("text_resource")
    if left_out := fields.get("text") == text:  # of a TextNode
        fields = {**fields, "text": ""}
    elif left_out := isinstance(resource, MediaResource) and resource.text == text:  # of a Document
        fields = {**fields, "text_resource": resource.model_copy(update={"text": None})}
    try:
        return pickle.dumps((type(node), {**state, "__dict__": fields}, left_out), pickle.HIGHEST_PROTOCOL)
    except Exception:  # whatever an object in its metadata raises
        return node


def _unpacked(packed: bytes, text: str) -> BaseNode:
    kind, state, left_out = pickle.loads(packed)
    fields = state["__dict__"]
    if left_out and "text" in fields:
        fields["text"] = text
    elif left_out:
        fields["text_resource"].text = text
    node = kind.__new__(kind)
    BaseModel.__setstate__(node, state)
    return node
