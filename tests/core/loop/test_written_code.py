"""Code that is no Python as it was written, for a reason that shows, is read as it was meant."""

from __future__ import annotations

import pytest

from rlm_integrations.core.loop.reply_parser import parse_reply
from rlm_integrations.core.loop.written_code import as_meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("x\u00a0=\u00a01", "x = 1"),
        ("if x:\n\u3000\u3000y = 'a\u3000b'\u200b", "if x:\n  y = 'a\u3000b'"),
        ("\ufeffx = 1  # a\u00a0b", "x = 1  # a\u00a0b"),
        ("x = f'{a}\u00a0'\u2060", "x = f'{a}\u00a0'"),
        (" import re\nx = 1\nif x:\n    y", "import re\nx = 1\nif x:\n    y"),
        ("x = 1\n    y = 2\n    if y:\n        z()", "x = 1\ny = 2\nif y:\n    z()"),
        ("    x = 1\n    y = 2", "x = 1\ny = 2"),
        (">>> x = 1\n>>> x\n1", "x = 1\nx"),
        (">>> for a in b:\n...     c(a)\n...\n>>> d()", "for a in b:\n    c(a)\n\nd()"),
        ("In [1]: x = 1\n   ...: y = 2\n\nIn [2]: y\nOut[2]: 2", "x = 1\ny = 2\ny"),
        ("In [1]:\nx = 1\ny = 2", "\nx = 1\ny = 2"),
    ],
)
def test_what_is_no_python_for_a_reason_that_shows_is_read_as_it_was_meant(written: str, meant: str) -> None:
    assert as_meant(written).code == meant
    assert parse_reply(f"```repl\n{written}\n```").blocks == (meant,)


@pytest.mark.parametrize(
    "code",
    [
        "x = 'a\u00a0b'",
        "if x:\n    y",
        "x = (\n    1)",
        "x = '''\n>>> y\n'''",
        "x = f(1,\n      2)",
        "def f():\n    return 1",
        "x = 1 + \\\n    2",
        's = """\n    kept\n"""',
        "x = (1\n    + 2)",
        "print(1\n    y = 2",
        "",
    ],
)
def test_other_code_stays_as_it_is(code: str) -> None:
    assert as_meant(code) == (code, False)


def test_code_below_a_printed_line_is_cut() -> None:
    assert as_meant(">>> n = 1\n>>> n\n1\n>>> FINAL(1)") == ("n = 1\nn", True)
