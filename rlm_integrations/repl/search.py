"""`search`: a regex over the corpus, a document at a time."""

from __future__ import annotations

from typing import Any

from rlm_integrations.repl.corpus_view import CorpusView
from rlm_integrations.repl.matches import Match, Matches
from rlm_integrations.repl.pattern import find_all, read_pattern


class Search:
    """Holds the corpus for the function that the model calls."""

    def __init__(self, corpus: CorpusView, printed_chars: int) -> None:
        """`printed_chars` bounds the printed form of what is found."""
        self._corpus, self._printed_chars = corpus, printed_chars

    def search(self, pattern: Any, docs: Any = None, limit: int | None = 30, around: int = 0) -> Matches:
        """Find a regex in all the text, or in `docs`: one or more ids, documents or matches, or a text.

        Case is ignored, a space matches any run of white space (line breaks with the margin of a comment or
        list too), `.` stops at line ends, `^` and `$` are line
        ends; a compiled pattern is used as it is. Keeps the first `limit` matches (None: all) and counts the rest
        in `.total`. Printed, a match comes with its line, or with `around` characters on both sides.

        Raises re.error for a bad pattern, KeyError for an unknown id.
        """
        compiled = read_pattern(pattern)
        _check_count("limit", limit)
        _check_count("around", around)
        found = Matches(self._printed_chars)
        for passage in self._corpus.pick(docs):
            found.searched += 1
            before = found.total
            for match in find_all(compiled, passage.text):
                if limit is None or found.total < limit:
                    found.append(Match(passage, match, around))
                found.total += 1
            found.found_in += found.total > before
        return found


def _check_count(name: str, value: Any) -> None:
    if name == "limit" and value is None:
        return
    if not isinstance(value, int):
        raise TypeError(
            f"{name}: {type(value).__name__} is not a number of {'matches' if name == 'limit' else 'characters'}"
        )
    if value < 0:
        raise ValueError(f"{name}: {value} is negative")
