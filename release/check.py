"""Builds what would be published, and installs it as users will: from its wheel, with each extra alone.

    make release-check

Nothing is published from here.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from component import is_fresh

ROOT = Path(__file__).parents[1]
RUN = """
from rlm_integrations import RLMEngine
from rlm_integrations.testing import ScriptedModel
assert RLMEngine(ScriptedModel(["```repl\\nFINAL(len(context))\\n```"])).run("How long?", "some text").answer == "9"
"""
USES = {
    "": RUN,
    "langchain": """
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel
rlm = RLMRunnable(llm=ScriptedChatModel(["```repl\\nFINAL(len(context))\\n```"]), context="some text")
assert rlm.invoke("How long?").content == "9"
""",
    "llama-index": """
from llama_index.core import Document, SummaryIndex
from rlm_integrations.testing.llama_index import ScriptedLLM
import rlm_integrations.llama_index
index = SummaryIndex.from_documents([Document(text="some text")])
engine = index.as_query_engine(engine="rlm", llm=ScriptedLLM(["```repl\\nFINAL(len(context[0]['text']))\\n```"]))
assert str(engine.query("How long?")) == "9"
""",
    "openai": """
from rlm_integrations.openai import OpenAIModel
OpenAIModel("m", base_url="http://127.0.0.1:9/v1", api_key="none")
""",
    "cli": 'import sys\nfrom rlm_integrations.cli import main\nsys.argv = ["rlm-integrations", "doctor"]\nmain()',
    "otel": "from rlm_integrations.otel import instrument\ninstrument()\n" + RUN,
    "wasi": RUN.replace("]))", ']), sandbox="wasi")', 1),
}
"""What each extra is for, as a program. One without a row is installed, and a run made."""

ABSENT = """
import importlib
from rlm_integrations import MissingExtraError
for module, extra in {absent}:
    try:
        importlib.import_module(module)
    except MissingExtraError as error:
        assert "rlm-integrations[" + extra + "]" in str(error), error
    else:
        raise AssertionError(module + " needs nothing of its extra")
"""
NEEDS = {
    "rlm_integrations.langchain": "langchain",
    "rlm_integrations.llama_index": "llama-index",
    "rlm_integrations.openai": "openai",
    "rlm_integrations.otel": "otel",
}


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    with tempfile.TemporaryDirectory() as folder:
        dist = Path(folder, "dist")
        if not is_fresh():
            raise SystemExit("the component was not built of this code: make component")
        run(sys.executable, "-m", "build", "--outdir", str(dist), str(ROOT))
        run(sys.executable, "-m", "twine", "check", "--strict", *map(str, dist.iterdir()))
        [wheel] = dist.glob("*.whl")
        check_contents(wheel)
        for extra in ["", *sorted(project["optional-dependencies"])]:
            try_extra(Path(folder), wheel, extra)
    print("all is as it should be")


def check_contents(wheel: Path) -> None:
    """Files that are no modules are there too, and nothing is that belongs to the repository alone."""
    held = set(zipfile.ZipFile(wheel).namelist())
    package = ROOT / "rlm_integrations"
    wanted = {str(path.relative_to(ROOT)) for path in package.rglob("*") if path.is_file()}
    wanted = {path for path in wanted if "__pycache__" not in path}
    assert wanted <= held, f"not in the wheel: {sorted(wanted - held)}"
    others = {path for path in held - wanted if ".dist-info/" not in path}
    assert not others, f"in the wheel, and not in the package: {sorted(others)}"


def try_extra(folder: Path, wheel: Path, extra: str) -> None:
    """Install the wheel with one extra in an environment of its own, and use it."""
    place = folder / f"venv-{extra or 'none'}"
    run(sys.executable, "-m", "venv", str(place))
    python = str(place / "bin/python")
    run(python, "-m", "pip", "install", "--quiet", f"{wheel}[{extra}]" if extra else str(wheel))
    installed = run(python, "-m", "pip", "list", "--format=freeze")
    has = {re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower() for line in installed.splitlines()}
    there = {"langchain": "langchain-core", "llama-index": "llama-index-core", "otel": "opentelemetry-api"}
    absent = [(module, name) for module, name in NEEDS.items() if there.get(name, name) not in has]
    run(python, "-c", ABSENT.format(absent=absent), cwd=folder)
    run(python, "-c", USES.get(extra, RUN), cwd=folder)
    print(f"{extra or 'no extra'}: {len(has)} packages, works")


def run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}")
    return done.stdout


if __name__ == "__main__":
    main()
