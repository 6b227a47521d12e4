"""How long answers are read whose type holds classes: before pydantic 2.12 those are read alone, which gives no other
thread its turn and counts nothing, so shorter ones are taken.
"""

from __future__ import annotations

import pydantic
import pytest

IS_WATCHED = tuple(map(int, pydantic.VERSION.split(".")[:2])) >= (2, 12)
MOST_OBJECTS, OBJECTS = (199_999, "200,000 objects and lists") if IS_WATCHED else (19_999, "20,000 objects")

where_it_is_watched = pytest.mark.skipif(not IS_WATCHED, reason="pydantic before 2.12 reads classes alone")
