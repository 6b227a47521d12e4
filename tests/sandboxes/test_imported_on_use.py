"""What a Monty worker's libraries import and hardly ever use is imported when it is used."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.sandboxes.monty.imported_on_use import import_on_use
from rlm_integrations.sandboxes.monty.start_worker import start_worker


def test_a_module_is_the_real_one_once_something_of_it_is_used(monkeypatch):
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    import_on_use("colorsys")
    import colorsys as early

    assert "rgb_to_hsv" not in vars(early)
    assert early.rgb_to_hsv(1, 0, 0) == (0, 1, 1)
    import colorsys as late

    assert late is not early
    assert "rgb_to_hsv" in vars(late)
    assert early.hsv_to_rgb is late.hsv_to_rgb


def test_what_is_imported_already_stays_what_it_is():
    import_on_use("sys")
    assert sys.modules["sys"] is sys


@pytest.mark.skipif(sys.platform != "linux", reason="shows what a process has loaded")
def test_a_worker_has_not_imported_asyncio(settings):
    pytest.importorskip("pydantic_monty")
    worker = start_worker(Corpus.of("a text"), settings(), ())
    try:
        loaded = Path(f"/proc/{worker.pid}/maps").read_text()
    finally:
        worker.end()
    assert "_monty." in loaded
    assert "/_asyncio." not in loaded
