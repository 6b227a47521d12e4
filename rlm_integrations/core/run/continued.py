"""The session of a node, where it has one: what the node finds of it, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.run.live_repl import LiveRepl
from rlm_integrations.core.sandbox import Repl, Sandbox
from rlm_integrations.core.session.memory import SessionMemory, TakenUp, rests
from rlm_integrations.wire.settings import ReplSettings

_NOTHING = TakenUp()


class Continued:
    """Of a node without a session there is nothing to find, and nothing stays."""

    def __init__(self, session: SessionMemory | None) -> None:
        self._session = session
        self._found = _NOTHING

    @property
    def corpus(self) -> Corpus | None:
        """As the question before left it."""
        return None if self._session is None else self._session.corpus

    @property
    def id(self) -> str | None:
        return None if self._session is None else self._session.id

    @property
    def question_number(self) -> int | None:
        return None if self._session is None else self._session.question_number

    @property
    def variables(self) -> frozenset[str] | None:
        """Names of those that the REPL holds; None where no code has run in it."""
        return self._found.variables

    @property
    def words(self) -> str:
        """What the root LM is told of it."""
        return self._found.words

    async def take_up(
        self, live: LiveRepl, corpus: Corpus, sandbox: Sandbox, settings: ReplSettings, seconds: float, *, early: bool
    ) -> None:
        """Go on with the REPL that there is, over the corpus as it is now; else open one, `early` or when it is needed.

        `seconds` are those that are left of the run.
        """
        if self._session is not None:
            # The bound on memory grows with the corpus, which the REPL that there is was opened with.
            made_for = type(sandbox), sandbox.modules, replace(settings, memory_mb=0)
            self._found = await self._session.take_up(corpus, made_for, seconds)
        if self._found.repl is not None:
            live.take_up(self._found.repl)
        elif early:
            live.open_early()

    async def close(self, live: LiveRepl, corpus: Corpus, added: Sequence[Document], limits: RLMLimits) -> None:
        """End every call that is still open, and the REPL, which a session keeps."""
        session = self._session
        if session is None:
            await live.close()
            return
        kept: list[Repl] = []

        def keeps(repl: Repl) -> bool:
            if rests(repl):
                kept.append(repl)
            return bool(kept)

        try:
            await live.end(keeps)
        finally:
            session.keep(corpus, added, kept[0] if kept else None, "" if kept else live.lost, limits)
