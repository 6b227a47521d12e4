"""Whether what the package's extras bring is installed here, new enough, and can be imported."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version

from rlm_integrations.core.wording import one_line

OURS = "rlm-integrations"
_SECONDS = 120
# Next to nothing of what an import leaves is garbage, and nothing of it need be taken apart at the end.
_IMPORT = "import gc, os; gc.disable(); import {module}; os._exit(0)"
_requirement = re.compile(r"([\w.-]++)(?>(?:\[[^\]]*+\])?)([^;]*+)")
_bound = re.compile(r"(>=|<)\s*+(\d++(?>(?:\.\d++)*))")


@dataclass(frozen=True)
class Part:
    """Something optional."""

    package: str
    extra: str
    module: str
    """Of ours, which imports it as a run does."""


PARTS = (
    Part("langchain-core", "langchain", "rlm_integrations.langchain"),
    Part("llama-index-core", "llama-index", "rlm_integrations.llama_index"),
    Part("openai", "openai", "rlm_integrations.openai"),
    Part("wasmtime", "wasi", "wasmtime"),
    Part("ray", "ray", "rlm_integrations.ray"),
)


@dataclass(frozen=True)
class Finding:
    part: Part
    version: str | None
    """None where it is not installed."""
    problem: str = ""
    """Why it does not work though it is installed, and what to do."""

    @property
    def words(self) -> str:
        if self.version is None:
            extra = self.part.extra
            return f'not installed: pip install "{OURS}[{extra}]" (in a clone: pip install ".[{extra}]")'
        return f"{self.version}: {self.problem}" if self.problem else self.version


def find_installed(parts: Sequence[Part] = PARTS) -> list[Finding]:
    """Each is imported by a process of its own, since what is broken may end the one that imports it."""
    promised = _requirements()
    versions = [version_of(part.package) for part in parts]  # before processes take the descriptors that are left
    with ThreadPoolExecutor(len(parts)) as threads:
        return list(threads.map(_find, parts, versions, [promised.get(part.package, "") for part in parts]))


def misfit(found: str, bounds: str) -> str:
    """Which bound of a requirement as ">=1.2,<2" a version does not keep; "" where it keeps all."""
    release = _release(found)
    for sign, bound in _bound.findall(bounds):
        width = max(len(release), len(_release(bound)))
        ours, theirs = (each + (0,) * (width - len(each)) for each in (release, _release(bound)))
        if (ours < theirs) if sign == ">=" else (ours >= theirs):
            return f"{sign} {bound}"
    return ""


def version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _find(part: Part, found: str | None, bounds: str) -> Finding:
    if wanted := misfit(found, bounds) if found else "":
        return Finding(part, found, f'{wanted} is needed: pip install "{part.package}{bounds}"')
    problem = _import_problem(part.module)
    is_missing = found is None and ("ModuleNotFoundError" in problem or "MissingExtraError" in problem)
    if problem and not is_missing:
        remedy = f"pip install --force-reinstall {part.package}"
        return Finding(part, found or "without metadata", f"it cannot be imported ({problem}); {remedy}")
    return Finding(part, found)


def _import_problem(module: str) -> str:
    """The last line of the traceback; "" where there is none."""
    program = [sys.executable, "-W", "ignore", "-c", _IMPORT.format(module=module)]
    try:
        done = subprocess.run(program, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return one_line(str(error))
    if not done.returncode:
        return ""
    return one_line((done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1])


def _requirements() -> dict[str, str]:
    """Bounds of versions by package, as the installed package promises them."""
    try:
        lines: Iterable[str] = requires(OURS) or ()
    except PackageNotFoundError:  # run from its source
        return {}
    found = (_requirement.match(line) for line in lines)
    return {each[1]: each[2] for each in found if each is not None}


def _release(text: str) -> tuple[int, ...]:
    found = re.match(r"\d++(?>(?:\.\d++)*)", text)
    return tuple(map(int, found[0].split("."))) if found else ()
