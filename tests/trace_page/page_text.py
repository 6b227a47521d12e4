"""What a page shows, as texts."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

OpenTab = Callable[..., Any]

TEXT = "document.querySelector({}).textContent"


def text_of(tab: Any, selector: str) -> str:
    return tab.evaluate(TEXT.format(json.dumps(selector)))
