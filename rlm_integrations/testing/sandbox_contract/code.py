"""What code shows, how it fails, and what lasts."""

from __future__ import annotations

import re

import pytest

from rlm_integrations.testing.sandbox_contract.contract import Contract, ReplOpener
from rlm_integrations.wire.steps import StepDone

LINES = {
    "raised in a function of an earlier step": (
        "def fail(n):\n    return {}[n]",
        "x = 1\nfail('a')",
        2,
        "KeyError: 'a'",
    ),
    "in the shown value": ("", "x = 1\n\n(x +\n 'a')", 3, "TypeError: unsupported operand type(s) for +"),
    "asked of a function of ours": ("", "\nsearch('(')", 2, f"{re.error.__name__}: missing ), unterminated subpattern"),
    "told by an assert": ("", "x = 2\nassert x == 3, 'no'", 2, "AssertionError: no"),
}

SHOWN = {
    "1; 2": "2",
    "'a text'": "a text",
    "None": "",
    "x = 5": "",
    "['a', {'b': (1,)}, None]": "['a', {'b': (1,)}, None]",
    "print('out')\nprint('more', 2, sep='-')\n7": "out\nmore-2\n7",
    "context[:4]  # a comment": "text",
    "import sys\nprint('said', file=sys.stderr)": "said",
    "x = 3\nf'{x:>4}|'": "   3|",
    "for n in range(3): print(f'\\r{n} of 2 ', end='', flush=True)\nprint('\\x1b[32mdone\\x1b[0m')": "2 of 2 done",
}

NO_FILES = " (this session has no files, network or other processes: all there is stands in its variables)"

NO_COMMANDS = " (this is plain Python: it has no ! or % commands, and nothing can be installed)"

NOT_HERE = {
    "open('notes.txt')": NO_FILES,
    "import os\nos.listdir('.')": NO_FILES,
    "from pathlib import Path\nPath('notes.txt').read_text()": NO_FILES,
    "!pip install numpy": NO_COMMANDS,
    "x = 1\n%timeit x": NO_COMMANDS,
}


class CodeContract(Contract):
    """What code shows, how it fails, and what lasts."""

    async def test_state_lasts_over_steps_and_errors(self, open_repl: ReplOpener) -> None:
        live = await open_repl()
        done = await live.run(
            "def double(n): return 2 * n\nkept = [1]", "kept.append(double(4))\n1 / 0\nkept.append(3)", "9"
        )
        assert isinstance(done, StepDone)
        assert done.error is not None
        assert (done.error.block, done.error.line, done.error.source) == (2, 2, "1 / 0")
        assert (done.error.kind, done.error.message) == ("raised", "ZeroDivisionError: division by zero")
        assert await live.value("kept") == "[1, 8]"

    @pytest.mark.parametrize("case", LINES)
    async def test_an_error_names_the_line_of_the_models_own_code(self, open_repl: ReplOpener, case: str) -> None:
        before, code, line, message = LINES[case]
        live = await open_repl("text")
        done = await live.run(before)
        done = await live.run(code)
        assert isinstance(done, StepDone)
        assert done.error is not None
        assert done.error.line == line
        assert done.error.message.startswith(message)

    async def test_code_that_does_not_compile_runs_not_at_all(self, open_repl: ReplOpener) -> None:
        live = await open_repl()
        done = await live.run("print('begun')\nx = = 2")
        assert isinstance(done, StepDone)
        assert done.error is not None
        assert (done.error.kind, done.error.line, done.output.empty) == ("syntax", 2, True)
        assert done.error.message.startswith("SyntaxError: ")

    async def test_output_keeps_head_and_tail(self, open_repl: ReplOpener) -> None:
        live = await open_repl(max_output_chars=1_000)
        done = await live.run("for n in range(1_000): print(n)")
        assert isinstance(done, StepDone)
        whole = "".join(f"{n}\n" for n in range(1_000))
        assert done.output.head + done.output.tail == whole[:600] + whole[-400:]
        assert done.output.cut_chars == len(whole) - 1_000

    @pytest.mark.parametrize("code", SHOWN)
    async def test_what_is_printed_and_the_last_value_are_shown(self, open_repl: ReplOpener, code: str) -> None:
        live = await open_repl("text of the corpus")
        assert await live.value(code) == SHOWN[code].strip()

    async def test_a_giant_value_is_shown_in_part(self, open_repl: ReplOpener) -> None:
        live = await open_repl(max_output_chars=500)
        assert (await live.value("[1] * 100_000")).endswith("(list of 100,000 items)")
        assert (await live.value("'x' * 100_000 + '|', 2")).endswith("… (tuple of 2 items)")

    async def test_new_and_changed_variables_are_told(self, open_repl: ReplOpener) -> None:
        live = await open_repl("text")
        done = await live.run(
            "import re\nfrom collections import Counter\ndef helper(): pass\nfor i in range(3): pass\n"
            "names = ['a', 'b']\ncounts = {'a': 1}\ntext = 'xyz'\nn, half, no, _hidden = 3, 0.5, None, 1"
        )
        assert isinstance(done, StepDone)
        assert sorted(done.variables) == sorted(
            [
                *("helper: function", "names: list[str] 2", "counts: dict 1", "text: str 3 chars", "n: int 3"),
                *("half: float 0.5", "no: None"),
            ]
        )
        done = await live.run("names.append('c')\nn = 3")
        assert isinstance(done, StepDone)
        assert done.variables == ("names: list[str] 3",)
        assert "counts: dict 1" in await live.value("print(SHOW_VARS())")
        assert "search" not in await live.value("print(SHOW_VARS())")

    async def test_names_of_builtins_may_be_taken(self, open_repl: ReplOpener) -> None:
        live = await open_repl(["a b", "b c"])
        names = "id list str type dict repr sorted iter max min len isinstance range set tuple".split()  # noqa: SIM905
        await live.value("\n".join(f"{name} = 5" for name in names))
        assert (
            await live.value("hits = search('b')\nprint(hits)\nx = [1]")
            == "doc-1@2: a b\ndoc-2@0: b c\n(2 matches in 2 of 2 documents)"
        )
        assert (await live.value("print(SHOW_VARS())")).count("int 5") == len(names)

    async def test_functions_that_code_unbound_are_there_again_in_the_next_step(self, open_repl: ReplOpener) -> None:
        live = await open_repl(["a b", "b c"])
        await live.run("try: 1 / 0\nexcept ZeroDivisionError as search: pass", "def chunks(): return 'own'\nlen = 5")
        assert await live.value("search('c')") == "doc-2@2: b c\n(1 match in 1 of 2 documents)"
        assert await live.value("chunks(), len") == "('own', 5)"

    @pytest.mark.parametrize("code", NOT_HERE)
    async def test_what_a_repl_has_not_is_refused_in_words(self, open_repl: ReplOpener, code: str) -> None:
        assert NOT_HERE[code] in await (await open_repl()).error(code)
