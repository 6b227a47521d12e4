"""EPUB: a zip of XHTML pages, in the order of its spine."""

from __future__ import annotations

import io
import posixpath
import zipfile
from urllib.parse import unquote
from xml.etree import ElementTree

from rlm_integrations.files.conversion.markup import decoded_markup, text_of_html
from rlm_integrations.files.conversion.parts import Note, Parts, UnreadableError, numbered

_CONTAINER = "META-INF/container.xml"


def chapters_of_epub(data: bytes, note: Note) -> Parts:
    book = zipfile.ZipFile(io.BytesIO(data))
    container = ElementTree.fromstring(book.read(_CONTAINER))
    root = next((each.get("full-path") for each in container.iter() if _name(each) == "rootfile"), None)
    if root is None:
        raise UnreadableError("damaged", "no book in it")
    package = ElementTree.fromstring(book.read(root))
    hrefs = {each.get("id"): each.get("href", "") for each in package.iter() if _name(each) == "item"}
    spine = [hrefs.get(each.get("idref"), "") for each in package.iter() if _name(each) == "itemref"]
    if "META-INF/encryption.xml" in book.namelist() and not _readable(book, root, spine):
        raise UnreadableError("encrypted")
    missing = 0
    for number, href in enumerate(spine, 1):
        try:
            page = book.read(_inside(root, href))
        except KeyError:
            missing += 1
            continue
        text = text_of_html(decoded_markup(page, note))
        if text.strip():
            yield numbered("chapter", number, text)
    if missing:
        note(f"{missing} of its chapters missing")


def _inside(root: str, href: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(root), unquote(href.partition("#")[0])))


def _readable(book: zipfile.ZipFile, root: str, spine: list[str]) -> bool:
    """Whether the pages are not among what is encrypted: often fonts alone are."""
    encrypted = ElementTree.fromstring(book.read("META-INF/encryption.xml"))
    named = {unquote(each.get("URI", "")) for each in encrypted.iter() if _name(each) == "CipherReference"}
    return not any(_inside(root, href) in named for href in spine)


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
