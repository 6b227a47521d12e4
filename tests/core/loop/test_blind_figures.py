"""A figure that the first code of a run makes its answer beside another that it prints was written before that was
seen: it is refused once.
"""

from __future__ import annotations

import pytest

from rlm_integrations import RLMEngine, RLMResult
from rlm_integrations.testing import ScriptedModel

LEDGER = "\n".join(f"entry {n}: {'paid' if n % 3 else 'open'}" for n in range(2_000))
COUNT = "n = context.count(': open')"


def asked(*codes: str) -> RLMResult[str]:
    with ScriptedModel([f"```repl\n{code}\n```" for code in codes]) as llm:
        return RLMEngine(llm).run("How many are open, as in 1987?", LEDGER)


@pytest.mark.parametrize("printed", ["n", "f'{n} open'", "len(context.splitlines()) // 3 + 1"])
@pytest.mark.parametrize(
    "final",
    ["FINAL('There are 512 open.')", "FINAL(512)", "answer['content'] = '512 open'\nanswer['ready'] = True"],
)
def test_a_figure_beside_another_that_was_not_seen_yet_is_not_taken(printed: str, final: str) -> None:
    result = asked(f"{COUNT}\nprint({printed})\n{final}", "FINAL(n)")
    assert result.answer == "667"
    assert "answer not accepted: it stood below code whose output you had not seen" in (
        result.trace.iterations[0].observation or ""
    )


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        (f"{COUNT}\nprint(n)\nFINAL('There are 667.')", "There are 667."),
        (f"{COUNT}\nprint(n)\nFINAL(f'{{n}} of 2,000')", "667 of 2,000"),
        (f"{COUNT}\nprint(n)\nFINAL('Many are open.')", "Many are open."),
        (f"{COUNT}\nprint('step 1')\nFINAL('512')", "512"),
        (f"{COUNT}\nprint(n)\nFINAL('In 1987 many were.')", "In 1987 many were."),
        (
            f"{COUNT}\nprint(n)\nanswer['content'] = 'In 512: '\nanswer['content'] += str(n)\nanswer['ready'] = True",
            "In 512: 667",
        ),
        ("answer['content'] = '512'\nprint(answer)\nanswer['ready'] = True", "512"),
    ],
)
def test_an_answer_that_what_was_printed_does_not_speak_against_is_taken(code: str, answer: str) -> None:
    assert asked(code).answer == answer


def test_a_figure_of_what_the_root_lm_was_shown_at_first_is_taken() -> None:
    code = f"{COUNT}\nprint(n)\nFINAL('There are {len(LEDGER):,} characters.')"
    assert asked(code).answer == f"There are {len(LEDGER):,} characters."


def test_a_figure_that_an_earlier_step_may_have_shown_is_taken() -> None:
    assert asked(f"{COUNT}\nprint(n)", "print(len(context))\nFINAL('667')").answer == "667"


def test_the_same_code_again_is_taken_at_its_word() -> None:
    code = f"{COUNT}\nprint(n)\nFINAL('512')"
    assert asked(code, code).answer == "512"
