"""What is said of an argument that does not exist: where that which was meant goes. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from rlm_integrations.core.limits import RLMLimits, limit_named

_ARGUMENTS = {
    "llm": ("model", "lm", "chat_model", "root_model", "root_llm", "root_lm", "language_model"),
    "sub_llm": ("sub_model", "sub_lm", "recursive_model", "small_llm", "worker_llm"),
    "context": ("docs", "documents", "corpus", "text"),
    "documents": ("docs", "context"),
    "similarity_top_k": ("top_k", "k"),
    "prices": ("price", "pricing", "input_price", "output_price", "model_prices"),
    "sandbox": ("environment", "repl"),
    "system_prompt": ("system", "system_message"),
    "instructions": ("prompt", "custom_instructions", "extra_instructions"),
    "output_cls": ("answer_type", "output_type", "response_model", "response_format"),
    "answer_type": ("output_cls", "output_type", "response_model", "response_format"),
    "streaming": ("stream",),
    "on_event": ("callback", "on_step"),
}
"""What people of other libraries call it; limits are in `core/limits.py`."""


def argument_hint(name: str, value: object, known: Collection[str], others: Collection[str] = ()) -> str:
    """What to pass instead of an unknown argument, as the end of a message.

    `known` are the arguments there are, and `others` those that are taken too but not worth listing.
    """
    limit = limit_named(name)
    if limit is None:
        meant = [
            argument
            for argument, names in _ARGUMENTS.items()
            if name in names and (argument in known or argument in others)
        ]
        limits = RLMLimits.model_fields if "limits" in known else ()
        close = meant or difflib.get_close_matches(name, [*known, *limits, *others], n=1)
        if not close:
            return f"those it takes are {', '.join(sorted(known))}"
        if close[0] in known or close[0] not in limits:
            return f"did you mean {close[0]!r}?"
        limit = close[0]
    elif "limits" not in known:
        return f"those it takes are {', '.join(sorted(known))}"
    return f'pass it in limits: limits={{"{limit}": {value!r:.80}}}'
