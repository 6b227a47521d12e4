"""A command whose wrong arguments are JSON too, where JSON is asked for."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand


class JsonCommand(TyperCommand):
    """Arguments that cannot be read are told on stderr, as of any command; with --json on stdout besides."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        as_json = "--json" in args
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            in_words = getattr(error, "format_message", None)  # typer's own, or click's, by its version
            if as_json and in_words is not None:
                from rlm_integrations.cli.exit_codes import print_error

                print_error({"error": in_words()})
            raise
