"""Journals that are new, and have the same hash seed: one helper serves the REPLs of all their runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from rlm_integrations.core.journal import file


class EmptyJournal(NamedTuple):
    path: Path
    hash_seed: int


@pytest.fixture(scope="session")
def empty_journal(tmp_path_factory: pytest.TempPathFactory) -> EmptyJournal:
    """To be copied."""
    path = tmp_path_factory.mktemp("journal") / "empty.sqlite"
    with closing(file.open_file(str(path))) as connection:
        return EmptyJournal(path, file.hash_seed(connection))


@pytest.fixture
def new_journal(empty_journal: EmptyJournal, tmp_path: Path) -> Callable[[str], Path]:
    """Makes one of this name in the folder of the test."""
    return lambda name: Path(shutil.copy(empty_journal.path, tmp_path / name))


@pytest.fixture
def path(new_journal: Callable[[str], Path]) -> Path:
    """That of a new one."""
    return new_journal("runs.sqlite")


@pytest.fixture
def hash_seed(empty_journal: EmptyJournal) -> int:
    """That of all of them, for `start_program`."""
    return empty_journal.hash_seed
