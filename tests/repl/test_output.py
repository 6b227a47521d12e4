from __future__ import annotations

import io
import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.repl.output import OutputStream, StepOutput


@given(st.integers(10, 400), st.lists(st.text(max_size=300), max_size=40))
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
