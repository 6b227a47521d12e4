"""The console script `rlm-integrations`."""

from __future__ import annotations

import importlib
import io
import sys


def main() -> None:
    """Run the command line. Without typer and rich: one line that names the extra, and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # answers may hold what the terminal's encoding does not
            stream.reconfigure(errors="backslashreplace")
    for needed in ("typer", "rich"):
        try:
            importlib.import_module(needed)
        except ModuleNotFoundError:
            sys.stderr.write(f'The command line needs {needed}: pip install "rlm-integrations[cli]"\n')
            raise SystemExit(2) from None
    from rlm_integrations.cli.app import app

    app(prog_name="rlm-integrations")
