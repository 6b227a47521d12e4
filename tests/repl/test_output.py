from __future__ import annotations

import io
import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.repl import output as output_module
from rlm_integrations.repl import terminal_lines
from rlm_integrations.repl.output import OutputStream, StepOutput

CONTROLS = "\r\b\x1b"


@given(st.integers(10, 400), st.lists(st.text(st.characters(exclude_characters=CONTROLS), max_size=300), max_size=40))
def test_output_keeps_head_and_tail_exactly_and_counts_the_rest(bound, writes):
    handed: list[str] = []
    output = StepOutput(bound, handed.append)
    output.begin_step()
    for text in writes:
        assert output.write(text) == len(text)
    tail, cut = output.end_step()
    whole, head = "".join(writes), "".join(handed)
    assert len(head) + len(tail) <= bound
    assert len(head) + cut + len(tail) == len(whole)
    assert head == whole[: bound * 3 // 5]
    assert whole.endswith(tail)
    if cut:
        assert len(tail) == bound - bound * 3 // 5


def test_lines_are_handed_on_at_once_and_later_in_larger_pieces():
    handed: list[str] = []
    output = StepOutput(20_000, handed.append)
    output.begin_step()
    for number in range(64):
        output.write(f"{number}\n")
        assert handed[-1] == f"{number}\n"
    for _ in range(300):
        output.write("0123456\n")
    assert [len(piece) for piece in handed[64:]] == [1024, 1024]
    output.end_step()
    assert "".join(handed[64:]) == "0123456\n" * 300


def test_steps_do_not_share_output():
    output = StepOutput(100, [].append)
    output.begin_step()
    output.write("x" * 1_000)
    assert output.end_step() == ("x" * 40, 900)
    output.begin_step()
    output.write("y")
    assert output.end_step() == ("", 0)


def test_a_giant_text_is_copied_by_slices_only(repl):
    repl.step("text = 'ab' * 50_000_000")
    tracemalloc.start()
    done = repl.step("print(text)", "text")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert done.cut_chars == 200_000_002 - 8_192
    assert peak < 2_000_000


def test_the_stream_is_a_proper_text_stream(repl):
    assert (
        repl.value("import sys\nsys.stdout.isatty(), sys.stdout.encoding, sys.stdout.writable()")
        == "(False, 'utf-8', True)"
    )
    assert repl.value("sys.stdout.writelines(['a', 'b'])\nprint('c', file=sys.stderr, flush=True)") == "abc"
    assert repl.failure("sys.stdout.write(b'x')") == "TypeError: write() argument must be str, not bytes"
    assert repl.failure("sys.stdout.fileno()").startswith("UnsupportedOperation")
    repl.step("import logging\nlog = logging.getLogger('of the model')\nlog.propagate = False")
    assert repl.value("log.addHandler(logging.StreamHandler())", "log.warning('careful')") == "careful"


def test_rebinding_the_stream_holds_within_the_step(repl):
    code = "import io, sys\nbuffer = io.StringIO()\nsys.stdout = buffer\nprint('into it')"
    assert repl.value(code, "print('too')") == ""
    assert repl.value("print(buffer.getvalue(), end='')") == "into it\ntoo"
    assert repl.value("sys.stdout = buffer\nsys.stdout = sys.__stdout__\nprint('back')") == "back"


def test_lone_surrogates_come_through(repl):
    assert repl.value("'\\ud800x'") == "\ud800x"


def test_a_print_inside_a_write_does_not_deadlock():
    """As when the garbage collector runs a `__del__` that prints, in the midst of a write."""
    output = StepOutput(1_000, lambda text: stream.write("inner") if text == "outer\n" else None)  # type: ignore[func-returns-value]
    stream = OutputStream(output)
    output.begin_step()
    stream.write("outer\n")
    tail, cut = output.end_step()
    assert (tail, cut) == ("", 0)


def test_stdin_and_streams_survive_close(repl):
    repl.step("import sys\nsys.stdout.close(); sys.stdin.close()")
    assert repl.value("print('open', sys.stdout.closed)") == "open False"


def test_the_hosts_own_streams_are_not_used(repl):
    outside = io.StringIO()
    sys.stdout = outside
    repl.step("print('inside')")
    assert outside.getvalue() == ""


@pytest.mark.parametrize("count", [0, 1, 65])
def test_output_of_threads_is_whole_lines(repl, count):
    code = f"import threading\nts = [threading.Thread(target=print, args=('x' * 50,)) for _ in range({count})]\n"
    done = repl.step(code + "for t in ts: t.start()\nfor t in ts: t.join()")
    assert done.output.count("x") == 50 * count
    assert done.output.count("\n") == count


def shown(*writes: str, bound: int = 10_000, flush: bool = False) -> str:
    """What a step that prints these shows."""
    handed: list[str] = []
    output = StepOutput(bound, handed.append)
    output.begin_step()
    for text in writes:
        assert output.write(text) == len(text)
        if flush:
            output.flush()
    tail, _ = output.end_step()
    return "".join(handed) + tail


DRAWN = {
    "a bar": (["\r  0%|   |", "\r 50%|#  |", "\r100%|###|", "\n"], "100%|###|\n"),
    "the end of print": (["1/2", "\r", "2/2", "\r"], "2/2"),
    "what is longer stays": (["loading", "\r", "done"], "doneing"),
    "cleared with spaces": (["\rloading", "\r       \r", "done\n"], "done\n"),
    "erased": (["loading\r\x1b[Kdone\n", "all of it\x1b[2K\rnew"], "done\nnew"),
    "erased up to here": (["abc\x1b[1K\rX"], "X"),
    "colours": (["\x1b[1;31mred\x1b[0m and \x1b[38;5;12mblue\x1b[m"], "red and blue"),
    "a link and a title": (["\x1b]0;title\x07\x1b]8;;http://a\x1b\\here\x1b]8;;\x1b\\ \x1b(Bnow"], "here now"),
    "a spinner": (["|", "\b", "/", "\b", "-", "\b \b", "ok"], "ok"),
    "places": (["abcdef\x1b[3DX\x1b[1CY\x1b[1GZ"], "ZbcXeY"),
    "far to the right": (["a\x1b[9999Cb\rc"], f"a{' ' * 4_095}b\nc"),
    "line ends of Windows": (["one\r\n", "two\r", "\nthree"], "one\ntwo\nthree"),
    "an escape in two writes": (["a\x1b[3", "1mb\x1b", "[0mc"], "abc"),
    "an escape in two writes of some length": (["a" * 61 + "\x1b[", "1mb"], "a" * 61 + "b"),
    "an escape that never ends": (["a\x1b[31"], "a"),
    "no escape": (["a\x1b", "\x1b\nb"], "a\nb"),
    "lines before it": (["one\ntwo\n10%", "\r20%\nthree"], "one\ntwo\n20%\nthree"),
    "nothing": (["\r", "\x1b[0m", "\b"], ""),
}


@pytest.mark.parametrize("case", DRAWN)
def test_what_is_redrawn_is_shown_as_a_terminal_shows_it_in_the_end(case):
    writes, expected = DRAWN[case]
    assert shown(*writes) == expected


@given(st.lists(st.text(st.sampled_from("ab \r\b\n\x1b[31mK"), max_size=12), max_size=8))
def test_how_it_comes_in_writes_makes_no_difference_and_no_line_is_lost(writes):
    whole = shown("".join(writes))
    assert shown(*writes) == shown(*"".join(writes)) == whole
    assert whole.count("\n") == "".join(writes).count("\n")
    assert not set(whole) & set(CONTROLS)


@given(st.lists(st.tuples(st.text("abc", max_size=9), st.sampled_from(["\r", "\r\r", "\n", "\r\n"])), max_size=9))
def test_of_each_line_the_last_that_was_drawn_in_each_place_is_shown(parts):
    expected, line = "", ""
    for text, end in parts:
        line = text + line[len(text) :]
        if "\n" in end:
            expected, line = f"{expected}{line}\n", ""
    assert shown(*(text + end for text, end in parts)) == expected + line


def test_a_bar_takes_of_the_bound_what_it_shows():
    bar = [f"\r{n:5}/10000 " + "#" * 50 for n in range(10_001)]
    assert shown("begin\n", *bar, "\nend\n", bound=200) == f"begin\n10000/10000 {'#' * 50}\nend\n"
    assert shown("begin\n", *bar, "\nend\n", bound=200, flush=True) == f"begin\n10000/10000 {'#' * 50}\nend\n"


def test_what_was_handed_on_stays_and_what_is_drawn_over_it_has_a_line_of_its_own():
    """A flush hands on, so that it outlives the process; a line of over 4,096 characters is too long to hold."""
    assert shown("1/3", "\r2/3", "\r3/3\n", "x", flush=True) == "1/3\n3/3\nx"
    assert shown("one", "\r\n", "two", flush=True) == "one\ntwo"
    assert shown("x" * 5_000, "\rabc", "\rd") == "x" * 5_000 + "\ndbc"


def test_a_text_with_carriage_returns_for_line_ends_is_shown_whole(repl):
    rows = [f"row {n}, of some length" for n in range(200)]
    repl.step(f"text = {chr(13).join(rows)!r}")
    assert repl.value("print(text)").splitlines() == rows
    assert repl.value("text[:50]") == "\n".join(rows)[:50]
    assert repl.value("print(text.replace(chr(13), chr(13) + chr(10)))").splitlines() == rows


@pytest.mark.parametrize(
    "piece", ["\r", "a\r", "\x1b[", "\x1b]", "\b", "ab\b\x1b[1C", "\x1b[2K", "\x1b[9999G", "x" * 4_000 + "\r"]
)
def test_redrawing_takes_memory_that_does_not_grow(piece, monkeypatch):
    def peak(size: int) -> int:
        text = piece * (size // len(piece))
        output = StepOutput(1_000, lambda text: None)
        output.begin_step()
        tracemalloc.start()
        output.write(text)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    monkeypatch.setattr(terminal_lines, "_SLICE", 4_096)
    monkeypatch.setattr(output_module, "_COMPACT_CHARS", 4_096)
    assert peak(27_000) < peak(14_000) + 12_000  # what is kept of each of the 13,000 would show


def test_logs_and_bars_of_a_step(repl):
    code = """
import sys
for n in range(101):
    print(f"\\r{n:3}%", end="", flush=True, file=sys.stderr)
print()
print("\\x1b[32mdone\\x1b[0m")
"""
    assert repl.value(code) == "100%\ndone"


def test_bytes_can_be_printed_and_streams_be_told_what_terminals_are(repl):
    code = (
        "import io, sys\nsys.stdout.reconfigure(encoding='utf-8', line_buffering=True)\n"
        "n = sys.stdout.buffer.write('né '.encode())\n"
        "out = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')\nout.write('wrapped')\nout.flush()\n"
        "bytes_out = sys.stdout.buffer\nfor byte in ' €'.encode(): bytes_out.write(bytes([byte]))\nn"
    )
    assert repl.value(code) == "né wrapped €4"
    assert repl.value("del out, bytes_out\nprint('still open')") == "still open"
