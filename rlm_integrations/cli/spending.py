"""`--ask-above`: a person is asked before sub-calls take what a run costs above a bound."""

from __future__ import annotations

from rlm_integrations.cli.agreement import can_be_asked, confirmed
from rlm_integrations.core.calls.threads import in_thread
from rlm_integrations.core.trace.events import Event, SubCallsReserved
from rlm_integrations.core.trace.run_errors import RunError
from rlm_integrations.terminal.amounts import batch_words
from rlm_integrations.terminal.live_view import LiveView


class Spending:
    """Pass `see` to an engine as `on_event`, in place of the view's: the calls wait for what the person says.

    Args:
        view: It knows what was spent so far, and makes room for the question.
        bound: US dollars. Each time it was agreed to go above it, the next one is as much above what was agreed to.
    """

    def __init__(self, view: LiveView, bound: float) -> None:
        self._view, self._step, self._bound = view, bound, bound

    async def see(self, event: Event) -> None:
        """Raises RunError, which ends the run, where the person does not agree, or nobody can be asked."""
        self._view.see(event)
        if not isinstance(event, SubCallsReserved):
            return
        is_batch = event.count > 1
        estimate = event.cost_usd if is_batch else 0.0  # of a single call there is none: it is asked for one too late
        spent = self._view.view.usage.cost_usd or 0.0
        will_be = spent + (estimate or 0.0)
        if estimate is not None and will_be <= self._bound:
            return
        words = f"{batch_words(event) if is_batch else 'another sub-call'} (${spent:.2f} spent so far)"
        if not can_be_asked():
            raise RunError(
                f"--ask-above {self._step:g}: stopped before {words}, for nobody can be asked here; add --yes to go "
                "on, or pass a higher bound"
            )
        if not await in_thread(self._agreed, words):
            raise RunError(f"--ask-above {self._step:g}: stopped before {words}")
        self._bound = max(self._bound, will_be) + self._step

    def _agreed(self, words: str) -> bool:
        with self._view.making_room():
            return confirmed(f"{words}.")
