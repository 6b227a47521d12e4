"""Runs langchain-core's own tests of its runnables twice: as they are, and through the package's sync bridge.

The tests come from the sdist that `langchain-core.txt` pins by hash, and are kept beside the virtual environment. The
exit status is 1 if a test fails through the bridge that passes without it, 2 if the tests could not be had or run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

HERE = Path(__file__).resolve().parent
PIN = HERE / "langchain-core.txt"
TESTS = "tests/unit_tests/runnables"


def main() -> int:
    pinned = PIN.read_text().split()[0]
    installed = f"langchain-core=={version('langchain-core')}"
    if installed != pinned:
        print(f"{installed} is installed and {PIN.name} pins {pinned}: make clean, then make conformance")
        return 2
    suite = fetch(pinned.replace("-", "_").replace("==", "-"))
    baseline = run(suite, "as they are")
    bridged = run(suite, "through the sync bridge", "-p", "through_sync_bridge")
    for heading, names in (
        ("fail through the bridge alone", bridged - baseline),
        ("alone without", baseline - bridged),
    ):
        for name in sorted(names):
            print(f"{heading}: {name}")
    return 1 if bridged - baseline else 0


def fetch(name: str) -> Path:
    """The folder with the tests of the pinned sdist. pip compares the hash."""
    folder = Path(sys.prefix) / "suites" / name
    if not folder.exists():
        with TemporaryDirectory() as download:
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
            if subprocess.run([*pip, "--require-hashes", "-r", PIN, "-d", download], check=False).returncode:
                sys.exit(2)
            with tarfile.open(next(Path(download).glob("*.tar.gz"))) as sdist:
                wanted = [each for each in sdist if each.name.startswith((f"{name}/tests/", f"{name}/pyproject.toml"))]
                sdist.extractall(folder.parent, wanted, filter="data")
    return folder


def run(suite: Path, how: str, *options: str) -> set[str]:
    """The names of the tests that failed."""
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", TESTS, "-q", "-p", "no:cacheprovider", f"--junit-xml={report}"]
        # The tests set up tracers, which would send their runs to a server on the internet: nobody listens here.
        surroundings = {
            name: os.environ[name] for name in os.environ if not name.startswith(("LANGSMITH", "LANGCHAIN"))
        }
        surroundings |= {"PYTHONPATH": str(HERE), "HTTPS_PROXY": "http://127.0.0.1:9"}
        ended = subprocess.run([*command, *options], cwd=suite, env=surroundings, capture_output=True, text=True)
        if ended.returncode not in (0, 1):
            print(ended.stdout[-4_000:], ended.stderr[-4_000:])
            sys.exit(2)
        cases = ElementTree.parse(report).findall(".//testcase")
    failed = {_name(case) for case in cases if case.find("failure") is not None or case.find("error") is not None}
    skipped = sum(case.find("skipped") is not None for case in cases)
    print(f"{how}: {len(cases) - len(failed) - skipped} passed, {len(failed)} failed, {skipped} skipped")
    return failed


def _name(case: ElementTree.Element) -> str:
    return f"{case.get('classname', '').removeprefix('tests.unit_tests.runnables.')}::{case.get('name')}"


if __name__ == "__main__":
    sys.exit(main())
