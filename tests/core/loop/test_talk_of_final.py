"""FINAL(...) that words plan, guess, deny or take back, and words beside one that is meant."""

from __future__ import annotations

import pytest

from rlm_integrations.core.loop.reply_parser import ParsedReply, parse_reply


@pytest.mark.parametrize(
    "reply",
    [
        "Then I call FINAL(x) and so on.",
        "I will then call FINAL(x)",
        "Then:\nFINAL(...)",
        "FINAL(your answer here)",
        "x\n- FINAL (v2)",
        "> FINAL(42)",
        "FINAL(x) ends.",
        "FINAL(cut off",
        "FINAL(<answer>)",
        "FINAL([your final answer])",
        "FINAL(answer here)",
        "FINAL([insert the number here])",
        "FINAL(<total number of entries>)",
        "FINAL([the count of entries])",
        "Use it at the end, e.g. FINAL(42)",
        "finally (x)",
    ],
)
def test_talk_of_final_is_no_answer(reply: str) -> None:
    assert parse_reply(reply) == ParsedReply((), None, reply)


@pytest.mark.parametrize(
    "reply",
    [
        "If the count were 500, I would answer: FINAL(500)\nBut I have not counted yet.",
        "Once I have verified this, I will output: FINAL(500)",
        "Once verified, I'll answer:\n\nFINAL(500)",
        "Then, if it is 667, I finish with:\nFINAL_VAR(n)",
        "My first guess is FINAL(500).\nLet me verify it with code before answering.",
        "FINAL(500)\n\nLet me double-check this.",
        "FINAL_VAR(n)\nI still need to check the branches.",
    ],
)
def test_a_final_that_is_not_sure_is_taken_only_where_nobody_can_be_asked_again(reply: str) -> None:
    known = frozenset({"n"})
    assert parse_reply(reply, variables=known) == ParsedReply((), None, reply, talk_of_final=True)
    last = parse_reply(reply, variables=known, last=True)
    assert (last.final, last.blocks) in (("500", ()), (None, ("FINAL_VAR('n')",)))


@pytest.mark.parametrize(
    "reply",
    [
        "FINAL(500)\n\nWait, I need to verify this. Let me run the code first.",
        "FINAL(500)\n\nActually no, that is the number of paid ones.",
        "FINAL(500)\n\nThose are the paid ones. Hmm, no.",
        "FINAL(500)\n\nSorry, I misread the question.",
        "The wrong answer would be FINAL(500).",
        "FINAL(667)\n\nThe wrong answer would be FINAL(500).",
        "Don't answer yet: FINAL(500)",
        "We must not yet send:\nFINAL(500)",
        "I am not ready to answer: FINAL(500)",
        "I can't return FINAL_VAR(n)",
        "Format: FINAL(42)",
        "The expected format is FINAL(42)",
        "For example: FINAL(42)",
        "Plan:\n1. Count the open entries.\n2. Check the branches.\n3. FINAL(The number of open entries)",
        "Next I will:\n- count\n- FINAL_VAR(n)",
        "The possible answers are:\n1. FINAL(5)\n2. FINAL(6)",
    ],
)
def test_a_final_that_words_deny_or_take_back_is_no_answer(reply: str) -> None:
    for last in (False, True):
        parsed = parse_reply(reply, variables=frozenset({"n"}), last=last)
        assert parsed == ParsedReply((), None, reply, talk_of_final=True)


@pytest.mark.parametrize(
    "words",
    [
        "The answer is: {}",
        "I cannot answer:\n\n{}",
        "I am not able to answer:\n{}",
        "When we count only signed ones, it would be 3, so {}",
        "{}\n\nActually, section 3 says so explicitly.",
        "{}\n\nIt was a draft contract.",
        "{}\n\nLet me double-check: 40 + 2 = 42. Confirmed.",
        "{}\n\nI did not verify the appendix, as it is out of scope.",
        "So my final answer:\n{}\nI counted all entries.",
        "I will now give the final answer.\n\n{}",
        "I will return the final answer:\n\n{}",
        "I don't need to look further. {}",
        "The answer is not 500 but this: {}",
        "The contract doesn't say when it ends, so: {}",
        "I cannot give a number, since the texts do not say: {}",
        "After reviewing all entries, I will now give: {}",
        "If I count only the open ones, the answer is: {}",
        "My earlier guess was wrong. The answer is {}",
        "If there were more, I would say so. {}",
        "I cannot say.\n\n{}",
        "This was more than a guess.\n{}",
        "In the requested format: {}",
        "1. I counted.\n2. I checked.\n\n{}",
        "{}\n\nLet me know if you need anything else!",
        "{}\nBut note that entries without a date are left out.",
        "{}\n\nNo, it is not stated anywhere. That is not correct.",
        "{}\n\nSorry, I could not find more.",
    ],
)
def test_a_final_that_plain_words_stand_beside_is_the_answer(words: str) -> None:
    for final in ("FINAL(42)", "FINAL_VAR(n)"):
        parsed = parse_reply(words.format(final), variables=frozenset({"n"}))
        assert (parsed.final, parsed.blocks) == (("42", ()) if final == "FINAL(42)" else (None, ("FINAL_VAR('n')",)))


def test_words_above_code_do_not_lead_up_to_a_final_below_it() -> None:
    reply = "If there are open ones, I will return them:\n```repl\nn = 1\n```\nFINAL_VAR(n)"
    assert parse_reply(reply).blocks == ("n = 1", "FINAL_VAR('n')")
    reply = "```repl\nn = 1\n```\nIf that is so, I will return:\nFINAL_VAR(n)"
    assert (parse_reply(reply).blocks, parse_reply(reply).talk_of_final) == (("n = 1",), True)


@pytest.mark.parametrize(
    "below",
    [
        "Moment, das stimmt nicht.",
        "Attendez, c'est faux.",
        "Espera, eso no es correcto.",
        "等等，不对。",
        "Подождите, это неверно.",
        "*Aspetta, manca una riga.*",
    ],
)
def test_a_call_to_wait_below_a_final_takes_it_back_in_many_languages(below: str) -> None:
    reply = f"FINAL(42)\n\n{below}"
    assert parse_reply(reply) == ParsedReply((), None, reply, talk_of_final=True)


@pytest.mark.parametrize(
    "below",
    [
        *("Das ist die Antwort.", "C'est tout.", "以上です。", "Therefore, it is 42.", "Note, it is exact.", "Gern!"),
        *("Together, these make 42.", "Berlin, the capital, has most.", "Again, it is exact.", "Good, it is set."),
        *("Also: 40, und dazu 2.", "Donc, il y en a 42.", "Además, hay 2 más.", "因此，总数是42。", "つまり、42です。"),
        *("Следовательно, их 42.", "Merci, et bonne journée.", "Correct... both tables say so.", "Moment: 3 Nm."),
    ],
)
def test_a_sentence_below_a_final_does_not(below: str) -> None:
    assert parse_reply(f"FINAL(42)\n\n{below}").final == "42"
