"""Packages that extras bring: one rule for when one is missing, and one wording of what to do then."""

from __future__ import annotations

from types import TracebackType

from rlm_integrations.core.errors import MissingExtraError


def missing_extra(what: str, package: str, *, extra: str, instead: str = "") -> MissingExtraError:
    """The error where `what` needs the package. `instead`: what else would do, as "pass a retriever"."""
    way_round = f", or {instead}" if instead else ""
    return MissingExtraError(f'{what} needs {package}; run: pip install "rlm-integrations[{extra}]"{way_round}')


class needed:  # noqa: N801 - read as a function: with needed(...): import ...
    """Stands around the import of an optional package: where that is missing, MissingExtraError says what to do.

    A package that is there, and lacks one that it needs itself, is broken: that error is left as it is.

    Args:
        module: The top-level name that is imported.
        package: What it is called where it is installed from.
        extra: The extra that brings it.
        what: What of ours needs it.
        instead: What else would do.
    """

    def __init__(self, module: str, package: str, *, extra: str, what: str, instead: str = "") -> None:
        self._module = module
        self._error = missing_extra(what, package, extra=extra, instead=instead)

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == self._module:
            raise self._error from error
