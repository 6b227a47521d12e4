"""When a step has run too long, at given times."""

from __future__ import annotations

from rlm_integrations.sandboxes.channel.step_clock import MIN_CHECK_S, StepClock

FOREVER = float("inf")


def test_wall_time_ends_a_step():
    clock = StepClock(10.0, FOREVER, now=100.0, cpu=5.0)
    assert clock.next_check(104.0, 5.0, cores=1) == 6.0
    assert clock.overrun(110.0, 5.0) == "wall"


def test_time_with_a_call_open_does_not_count():
    clock = StepClock(10.0, FOREVER, now=0.0, cpu=0.0)
    clock.pause(4.0)
    clock.pause(5.0)
    assert clock.next_check(500.0, 0.0, cores=1) == 10.0, "only CPU time can end it now"
    clock.resume(1000.0)
    clock.resume(1001.0)
    assert clock.next_check(1005.0, 0.0, cores=1) == 1.0
    assert clock.overrun(1006.0, 0.0) == "wall"


def test_cpu_time_ends_a_step_always():
    clock = StepClock(10.0, FOREVER, now=0.0, cpu=50.0)
    clock.pause(0.0)
    assert clock.next_check(1.0, 52.0, cores=4) == 2.0, "four cores could use up the rest in a fourth of it"
    assert clock.overrun(1.0, 60.0) == "cpu"


def test_what_the_host_spends_on_the_step_counts_as_its_cpu_time():
    clock = StepClock(10.0, FOREVER, now=0.0, cpu=50.0)
    clock.pause(0.0)
    clock.charge(6.0)
    assert clock.next_check(1.0, 51.0, cores=1) == 3.0
    clock.charge(3.0)
    assert clock.overrun(1.0, 51.0) == "cpu"


def test_the_total_counts_open_calls():
    clock = StepClock(10.0, 3.0, now=0.0, cpu=0.0)
    clock.pause(0.0)
    assert clock.next_check(1.0, 0.0, cores=1) == 2.0
    assert clock.overrun(2.9, 0.0) is None
    assert clock.overrun(3.0, 0.0) == "run"


def test_a_step_is_not_looked_at_all_the_time():
    clock = StepClock(10.0, FOREVER, now=0.0, cpu=0.0)
    assert clock.next_check(9.9999, 0.0, cores=1) == MIN_CHECK_S
