"""The console script `rlm-integrations`."""

from __future__ import annotations

import importlib
import time


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

    for needed in ("typer", "rich"):
        try:
            importlib.import_module(needed)
        except ModuleNotFoundError:
            say(f'The command line needs {needed}: pip install "rlm-integrations[cli]"')
            raise SystemExit(2) from None
    from rlm_integrations.cli.app import app

    try:
        app(prog_name="rlm-integrations", obj=began)
    except OSError as error:  # stdout is gone or full; a run's answer is seen to elsewhere
        say(f"Error: {error}")
        raise SystemExit(1) from None
