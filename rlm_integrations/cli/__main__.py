"""`python -m rlm_integrations.cli`: the command line."""

from __future__ import annotations

from rlm_integrations.cli import main

if __name__ == "__main__":
    main()
