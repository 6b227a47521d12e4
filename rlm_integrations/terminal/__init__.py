"""What goes to the terminal: words of models, documents and servers made printable, and a run while it goes on.

from rlm_integrations.terminal import ConsoleProgress
engine = RLMEngine(llm, on_event=ConsoleProgress())
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlm_integrations.core.errors import MissingExtraError

if TYPE_CHECKING:
    from rlm_integrations.terminal.console_progress import ConsoleProgress

__all__ = ["ConsoleProgress"]


def __getattr__(name: str) -> Any:
    """Loaded when it is used: most of this package does without rich."""
    if name != "ConsoleProgress":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from rlm_integrations.terminal.console_progress import ConsoleProgress
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("rich"):
            raise
        raise MissingExtraError('ConsoleProgress needs rich; run: pip install "rlm-integrations[cli]"') from error
    return ConsoleProgress
