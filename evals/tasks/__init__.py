"""The families of tasks."""

from evals.tasks.chains import Chains
from evals.tasks.code import Code
from evals.tasks.counting import Counting
from evals.tasks.family import Family, Task
from evals.tasks.needles import Needles
from evals.tasks.pairs import Pairs

FAMILIES: tuple[Family, ...] = (
    Needles(several=False),
    Needles(several=True),
    Counting(labelled=True),
    Counting(labelled=False),
    Pairs(),
    Chains(),
    Code(),
)

__all__ = ["FAMILIES", "Family", "Task"]
