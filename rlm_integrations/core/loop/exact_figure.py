"""Whether a question asks for a figure that must be exact. Pure, in time that grows with the question."""

from __future__ import annotations

import re

_LOOKED_AT_CHARS = 20_000

_WORDS = r"""\b(?:
        how\ (?:many|often|frequently) | number\ of | counts?+ | totals?+ | in\ total | sum | averages?+ | mean\ of
        | median | percent(?>(?:age)?) | proportion | share\ of | ratio
        | (?:most|least|more|less|fewer)\ (?:often|frequent(?>(?:ly)?)|common) | ha(?:s|ve)\ the\ (?:most|fewest|least)
        | rank(?>(?:ing)?)
        | wie\ (?:viele|oft) | anzahl | summe | insgesamt | durchschnitt(?>(?:lich)?) | prozent | anteil
        | am\ häufigsten
        | combien | nombre\ d(?>(?:es?+|u)?) | somme | moyenne | pourcent(?>(?:age)?) | au\ total
        | cuánt[oa]s | número\ de | suma | promedio | porcentaje
        | quant[ie] | numero\ di | somma | percentuale
        | quant[oa]s | soma | média | percentagem
        | сколько | количество | сумма | среднее
    )\b
    | % | 多少 | 几个 | 几次 | 总数 | 总和 | 平均 | いくつ | 何[件回人個] | 合計"""
"""Asked for with `route="auto"` alone, so it is left to `re` to compile it then."""


def asks_for_figure(question: str) -> bool:
    """Whether it asks how many, how often, or for a sum, a mean, a share or a rank.

    It goes by words of some languages. A question that only seems to ("the number of the flight") counts as one that
    does: counted by code, it costs a step more, and counted by reading, it is wrong.
    """
    return re.search(_WORDS, question[:_LOOKED_AT_CHARS], re.IGNORECASE | re.VERBOSE) is not None
