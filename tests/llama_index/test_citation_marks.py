from __future__ import annotations

import pytest

from rlm_integrations.core.trace.citations import Citation
from rlm_integrations.llama_index.citation_marks import mark_citations

MAY = "The kiln was lit in May."
JUNE = "It was lit\nagain in June."


def citation(quote: str, document_id: str = "d1", start: int = 0) -> Citation:
    return Citation(cited_text=quote, start_index=start, end_index=start + len(quote), document_id=document_id)


@pytest.mark.parametrize(
    ("text", "citations", "sources", "marked"),
    [
        pytest.param("Lit in May cited d1[0:24].", [MAY], [[1]], "Lit in May [1].", id="where the root LM put it"),
        pytest.param("Lit in Maycited d1[0:24].", [MAY], [[1]], "Lit in May [1].", id="with a space before it"),
        pytest.param("Lit in May (cited d1[0:24]).", [MAY], [[1]], "Lit in May [1].", id="without its brackets"),
        pytest.param("cited d1[0:24] says May", [MAY], [[1]], "[1] says May", id="at the beginning"),
        pytest.param(
            "May cited d1[0:24], so cited d1[0:24].", [MAY], [[1]], "May [1], so [1].", id="as often as it stands"
        ),
        pytest.param(
            "May cited d1[0:24]; June cited d2[0:25].",
            [MAY, JUNE],
            [[1], [2, 3]],
            "May [1]; June [2][3].",
            id="over two nodes",
        ),
        pytest.param("Both cited d1[0:24]cited d2[0:25].", [MAY, JUNE], [[1], [2]], "Both [1][2].", id="side by side"),
        pytest.param(
            "Both cited d1[0:24] cited d2[0:25].", [MAY, JUNE], [[1], [1]], "Both [1].", id="of one node, once"
        ),
        pytest.param(f'"{MAY}" it says', [MAY], [[1]], f'"{MAY}" [1] it says', id="after a quote"),
        pytest.param(
            "It was lit again in June.", [JUNE], [[2]], "It was lit again in June. [2]", id="with other white space"
        ),
        pytest.param("Twice.\n", [MAY, JUNE], [[1], [2]], "Twice. [1][2]", id="at the end"),
        pytest.param("May cited d1[0:24].", [MAY, "May."], [[1], [1]], "May [1].", id="at the end only if nowhere"),
        pytest.param("In 1874.", ["1874"], [[1]], "In 1874. [1]", id="not after a word of its own"),
        pytest.param("May cited d1[0:24].", [MAY], [[]], "May.", id="no source, no mark"),
        pytest.param(MAY, [MAY], [[]], MAY, id="nor beside a quote"),
        pytest.param("x[1][1] cited d9[0:4]", [], [], "x[1][1] cited d9[0:4]", id="what is no citation stays"),
        pytest.param("rows[1][1]", [MAY], [[1]], "rows[1][1] [1]", id="code stays"),
    ],
)
def test_marks(text, citations, sources, marked):
    made = [citation(quote, f"d{number}") for number, quote in enumerate(citations, 1)]
    assert mark_citations(text, made, sources) == marked


def test_an_id_is_not_read_as_a_pattern():
    cited = citation(MAY, "a (b) [c]\\1", 7)
    assert mark_citations("May cited a (b) [c]\\1[7:31].", [cited], [[1]]) == "May [1]."
    assert mark_citations("May cited [0:24].", [citation(MAY, "")], [[1]]) == "May [1]."
