"""The checks of OpenAIModel's plain arguments. Each raises InvalidArgumentError, which names the argument."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

from rlm_integrations.core.errors import InvalidArgumentError


def check_name(model: object) -> None:
    if not isinstance(model, str):
        raise InvalidArgumentError(f"model: {type(model).__name__} given; pass the name that the server knows it by")
    if not model:
        raise InvalidArgumentError("model: is empty; pass the name that the server knows the model by")


def check_number(given: object, argument: str, above: float, pass_: str) -> None:
    """`pass_`: what to pass instead."""
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not above < given < math.inf:
        raise InvalidArgumentError(f"{argument}: {given!r:.80} given; pass {pass_}, or leave it out")


def check_truth(given: object, argument: str) -> None:
    if given is not None and not isinstance(given, bool):
        raise InvalidArgumentError(f"{argument}: {given!r:.80} given; pass True or False, or leave it out")


def read_fields(given: object, argument: str) -> dict[str, Any]:
    """Of a mapping, or of None."""
    if given is not None and not isinstance(given, Mapping):
        raise InvalidArgumentError(f"{argument}: {type(given).__name__} given; pass a dict, or leave it out")
    return dict(cast("Mapping[str, Any]", given or {}))
