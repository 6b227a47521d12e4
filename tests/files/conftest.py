from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rlm_integrations.files.converter import Converter
from rlm_integrations.files.finding import Finder
from rlm_integrations.files.reading import FileText, read_files
from rlm_integrations.files.report import FilesReport
from rlm_integrations.files.selection import Selection

Read = Callable[..., tuple[list[FileText], FilesReport]]


@pytest.fixture(scope="session")
def converter() -> Iterator[Converter]:
    with Converter() as converter:
        yield converter


@pytest.fixture
def read(converter: Converter) -> Read:
    """Reads paths, as a corpus is read: the texts, and the report."""

    def read(*paths: Path | str, **selected: object) -> tuple[list[FileText], FilesReport]:
        report = FilesReport()
        finder = Finder(report, Selection(**selected))  # type: ignore[arg-type]
        found = [file for path in paths for file in finder.find(str(path))]
        return list(read_files(found, report, converter)), report

    return read


def write(folder: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str | bytes]], None]:
    """Writes files into the working folder, which is a new one."""
    monkeypatch.chdir(tmp_path)
    return lambda files: write(tmp_path, files)
