"""Whether an object is of a class whose module brings much with it, and is imported by whoever has such an object."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    from langchain_core.document_loaders import BaseLoader
    from langchain_core.vectorstores import VectorStore


def is_loader(value: object) -> TypeGuard[BaseLoader]:
    return _is_of(value, "langchain_core.document_loaders.base", "BaseLoader")  # which imports all text splitters


def is_vector_store(value: object) -> TypeGuard[VectorStore]:
    return _is_of(value, "langchain_core.vectorstores.base", "VectorStore")


def _is_of(value: object, module: str, name: str) -> bool:
    kind = getattr(sys.modules.get(module), name, None)  # a module may be half imported, in another thread
    return isinstance(kind, type) and isinstance(value, kind)
