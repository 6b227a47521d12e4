"""How helpers and workers end by themselves. Standard library only: both sides import it."""

from __future__ import annotations

EXIT_UNIMPORTABLE = 3
"""A helper that cannot import a module that the user named; the last line on its stderr is "NAME: why"."""

EXIT_UNLOADABLE = 4
"""A worker whose compiled component is none for this machine."""

EXIT_CHANNEL, EXIT_MEMORY, EXIT_BROKEN = 121, 122, 123
"""A worker that lost its channel, ran out of memory outside of the model's code, or failed there."""
