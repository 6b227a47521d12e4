"""A picture: its bytes, its type and a name. Never where it might be fetched from."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.wire.images import MAX_IMAGES_BYTES

IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""MIME types that providers take."""

_ALIASES = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png"}
_DATA_URL = r"data:(?>([\w.+-]{1,60}+/[\w.+-]{1,60}+)?)((?>(?:;[\w.+=\"-]{1,80}+){0,5})),"
_MOST_BASE64 = MAX_IMAGES_BYTES * 4 // 3 + 4
_SPACE = str.maketrans("", "", " \t\r\n")
_NAME_CHARS = 200


@dataclass(frozen=True, slots=True)
class Image:
    """A picture of the corpus, or of a message.

    Args:
        data: The whole file, at most 20 MB.
        mime_type: One of image/png, image/jpeg, image/gif and image/webp; without it, what the data begins like. Data
            that begins like another of them is of that.
        name: What code and traces call it.

    Raises:
        InvalidArgumentError: The data is empty, too long, or no picture of these types.
    """

    data: bytes = field(repr=False)
    mime_type: str = ""
    name: str = ""
    id: str = field(init=False, compare=False)
    """Made of the data: equal pictures have equal ids."""

    def __post_init__(self) -> None:
        if not isinstance(self.data, bytes) or not self.data:  # pyright: ignore[reportUnnecessaryIsInstance]
            got = "empty" if self.data == b"" else f"{type(self.data).__name__}, not bytes"
            raise InvalidArgumentError(f"image: its data is {got}; pass the bytes of a picture's file")
        if len(self.data) > MAX_IMAGES_BYTES:
            raise InvalidArgumentError(
                f"image: it has {len(self.data):,} bytes, and at most {MAX_IMAGES_BYTES:,} are taken; make it smaller"
            )
        object.__setattr__(self, "mime_type", _type_of(self.data, self.mime_type))
        object.__setattr__(self, "name", str(self.name)[:_NAME_CHARS])
        object.__setattr__(self, "id", f"img-{hashlib.sha256(self.data).hexdigest()[:20]}")

    @classmethod
    def from_base64(cls, data: str | bytes, mime_type: str = "", name: str = "") -> Image:
        """A picture out of base64, or of a `data:` URL, whose type counts before `mime_type`.

        Raises InvalidArgumentError, as Image does, and for what is no base64.
        """
        text = data.decode("ascii", "replace") if isinstance(data, bytes) else data
        if text[:5].lower() == "data:":
            found = re.match(_DATA_URL, text, re.IGNORECASE)
            if found is None or ";base64" not in found[2].lower():
                raise InvalidArgumentError("image: a data: URL is taken as data:image/png;base64,... alone")
            mime_type, text = found[1] or mime_type, text[found.end() :]
        if mime_type:
            check_type(mime_type)
        if len(text) > _MOST_BASE64:
            raise InvalidArgumentError(
                f"image: it has {len(text):,} characters of base64, and at most {MAX_IMAGES_BYTES:,} bytes are taken; "
                "make it smaller"
            )
        try:
            read = base64.b64decode(text.translate(_SPACE), validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidArgumentError(f"image: its base64 cannot be read ({error})") from None
        return cls(read, mime_type, name)

    @property
    def base64(self) -> str:
        """The data in base64."""
        return base64.b64encode(self.data).decode("ascii")

    @property
    def data_url(self) -> str:
        """`data:image/png;base64,...`"""
        return f"data:{self.mime_type};base64,{self.base64}"


def begins_as_image(data: bytes) -> bool:
    """Whether the data begins like a picture of one of IMAGE_TYPES."""
    return _looks_like(data[:512]) in IMAGE_TYPES


def check_type(mime_type: str) -> str:
    """The type as it is registered. Raises InvalidArgumentError, which names it, where it is none of IMAGE_TYPES."""
    if not isinstance(mime_type, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        given = type(mime_type).__name__
        raise InvalidArgumentError(f"image: its mime_type is {given}, not str; they are {', '.join(IMAGE_TYPES)}")
    written = mime_type.partition(";")[0].strip().lower()
    known = _ALIASES.get(written, written)
    if known in IMAGE_TYPES:
        return known
    raise InvalidArgumentError(
        f"image: {mime_type[:100]!r} is not a type of pictures that models take; they take {', '.join(IMAGE_TYPES)}"
    )


def _type_of(data: bytes, mime_type: str) -> str:
    said = check_type(mime_type) if mime_type else ""
    found = _looks_like(data[:512])
    if not found and not said:
        raise InvalidArgumentError(
            f"image: its data begins like none of {', '.join(IMAGE_TYPES)}; convert it, or pass its mime_type"
        )
    if found and found not in IMAGE_TYPES:
        raise InvalidArgumentError(
            f"image: its data begins like {found}, which models do not take as a picture; they take "
            f"{', '.join(IMAGE_TYPES)}"
        )
    return found or said


def _looks_like(head: bytes) -> str:
    """The type of data that begins so; "" where that is not known."""
    if head.startswith(b"\x89PNG"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    if head.startswith(b"%PDF"):
        return "application/pdf"
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        return "image/svg+xml" if b"<svg" in head.lower() else "text/xml or HTML"
    return ""
