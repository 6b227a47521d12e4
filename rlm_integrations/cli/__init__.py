"""The console script `rlm-integrations`."""

from __future__ import annotations

import time
from importlib.util import find_spec


def main() -> None:
    """Run the command line. Without typer and rich: one line that names the extra, and exit code 2."""
    began = time.monotonic()
    from rlm_integrations.terminal.streams import flush_stdout, guard_standard_streams, say

    guard_standard_streams()
    try:
        _run(began)
    except KeyboardInterrupt:  # while the program is loaded; later the commands see to it
        say("Interrupted.")
        raise SystemExit(130) from None
    finally:
        flush_stdout()


def _run(began: float) -> None:
    from rlm_integrations.terminal.streams import say

    for needed in ("typer", "rich", "markdown_it"):
        if find_spec(needed) is None:
            say(
                f"The command line is in the extra [cli], and {needed} is missing: "
                'pip install "rlm-integrations[cli]" (in a clone: pip install ".[cli]")'
            )
            raise SystemExit(2)
    from rlm_integrations.cli.app import command

    try:
        command(prog_name="rlm-integrations", obj=began)
    except OSError as error:  # stdout is gone or full; a run's answer is seen to elsewhere
        say(f"Error: {error}")
        raise SystemExit(1) from None
