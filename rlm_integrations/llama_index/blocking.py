"""Async methods that hold up the event loop which awaits them."""

from __future__ import annotations

import ast
import inspect
from functools import lru_cache
from textwrap import indent

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.llms.custom import CustomLLM


def holds_loop_up(instance: object, method: str) -> bool:
    """Whether an async method holds up the event loop that awaits it: whether it awaits nothing itself.

    So do the ones that CustomLLM and BaseRetriever hand down, and those of many integrations: they call the sync
    method. What cannot be told is taken for one that awaits.
    """
    owner = next(cls for cls in type(instance).__mro__ if method in cls.__dict__)
    return vars(owner)[method] in _BLOCKING or _awaits_nothing(owner, method)


_BLOCKING = (CustomLLM.achat, CustomLLM.acomplete, BaseRetriever._aretrieve)  # pyright: ignore[reportPrivateUsage]


@lru_cache(maxsize=256)
def _awaits_nothing(owner: type, method: str) -> bool:
    """As its class is written, whatever has been wrapped around it: LlamaIndex's decorators, a tracer's."""
    try:
        source = inspect.getsource(owner)
        (written,) = ast.parse(f"if True:\n{indent(source, ' ')}").body
    except (OSError, TypeError, SyntaxError, ValueError):
        return False
    functions = [node for node in ast.walk(written) if isinstance(node, ast.AsyncFunctionDef) and node.name == method]
    return bool(functions) and not any(_awaits(node) for function in functions for node in ast.walk(function))


def _awaits(node: ast.AST) -> bool:
    if isinstance(node, ast.comprehension):
        return bool(node.is_async)
    return isinstance(node, (ast.Await, ast.AsyncFor, ast.AsyncWith))
