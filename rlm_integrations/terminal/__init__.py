"""What goes to the terminal: words of models, documents and servers made printable, and a run while it goes on.

from rlm_integrations.terminal import ConsoleProgress
engine = RLMEngine(llm, on_event=ConsoleProgress())
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlm_integrations.core.extras import needed

if TYPE_CHECKING:
    from rlm_integrations.terminal.console_progress import ConsoleProgress

__all__ = ["ConsoleProgress"]


def __getattr__(name: str) -> Any:
    """Loaded when it is used: most of this package does without rich."""
    if name != "ConsoleProgress":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with needed("rich", "rich", extra="cli", what="ConsoleProgress"):
        from rlm_integrations.terminal.console_progress import ConsoleProgress
    return ConsoleProgress
