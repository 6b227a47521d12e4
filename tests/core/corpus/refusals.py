"""What a corpus is refused with."""

from __future__ import annotations

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.errors import InvalidArgumentError


def refused(context: object) -> str:
    with pytest.raises(InvalidArgumentError) as caught:
        Corpus.of(context)
    return str(caught.value)
