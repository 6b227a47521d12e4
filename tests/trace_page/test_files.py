"""The file that `RLMTrace.to_html` writes."""

from __future__ import annotations

import stat
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from rlm_integrations import RLMTrace
from rlm_integrations.trace_page import page


def test_it_is_one_file_for_its_owner_alone_that_names_no_other(tmp_path: Path, small_trace: RLMTrace) -> None:
    path = tmp_path / "run.html"
    small_trace.to_html(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    links: list[tuple[str, str | None]] = []

    class Links(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            links.extend(attribute for attribute in attrs if attribute[0] in ("src", "href", "action", "data"))

    Links().feed(path.read_text(encoding="utf-8"))
    assert links == [("href", "#steps")]


def test_it_replaces_a_file_and_leaves_what_it_may_not_write(tmp_path: Path, small_trace: RLMTrace) -> None:
    path = tmp_path / "run.html"
    path.write_text("x" * 10_000_000)
    small_trace.to_html(str(path))
    first = path.read_bytes()
    assert first.startswith(b"<!DOCTYPE html>")
    assert first.endswith(b"</html>\n")
    with pytest.raises(OSError, match="No such file"):
        small_trace.to_html(tmp_path / "nowhere" / "run.html")
    assert path.read_bytes() == first


def test_half_a_page_is_not_left_where_the_disk_is_full(tmp_path: Path, small_trace: RLMTrace) -> None:
    program = (
        "import resource, sys\nfrom rlm_integrations import RLMTrace\n"
        "trace = RLMTrace.model_validate_json(sys.stdin.read())\n"
        "run, other = sys.argv[1:]\n"
        "trace.to_html(run)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))\n"
        "for path in (run, other, '/dev/full'):\n"
        "    try: trace.to_html(path)\n"
        "    except OSError as error: print(error.strerror)\n"
    )
    trace = small_trace.model_dump_json()
    pages = [str(tmp_path / name) for name in ("run.html", "other.html")]
    ran = subprocess.run([sys.executable, "-c", program, *pages], input=trace, capture_output=True, text=True)
    assert ran.stdout.splitlines() == ["File too large", "File too large", "No space left on device"], ran.stderr
    assert list(tmp_path.iterdir()) == []
    assert Path("/dev/full").exists()


def test_a_lone_surrogate_is_no_obstacle(tmp_path: Path, small_trace: RLMTrace) -> None:
    trace = small_trace.model_copy(update={"question": "half \ud83d of it", "sandbox": "\udc00"})
    trace.to_html(tmp_path / "run.html")
    assert "half \ufffd of it" in (tmp_path / "run.html").read_text(encoding="utf-8")


def test_every_part_of_the_page_is_used() -> None:
    folder = Path(page.__file__).with_name("browser")
    names = {f"{name}.js" for name in page._SCRIPTS} | {"page.css", "page.html"}
    assert {path.name for path in folder.iterdir()} == names
