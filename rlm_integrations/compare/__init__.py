"""Several methods side by side, over the user's own questions, corpus and models."""

from rlm_integrations.compare.attempt import Answered, Attempt, Estimate
from rlm_integrations.compare.comparison import Method, acompare, compare, usual_methods
from rlm_integrations.compare.reading import Direct, MapReduce
from rlm_integrations.compare.recursing import RLM
from rlm_integrations.compare.report import Comparison
from rlm_integrations.compare.retrieving import TopK
from rlm_integrations.compare.tree_summarize import TreeSummarize

__all__ = [
    "RLM",
    "Answered",
    "Attempt",
    "Comparison",
    "Direct",
    "Estimate",
    "MapReduce",
    "Method",
    "TopK",
    "TreeSummarize",
    "acompare",
    "compare",
    "usual_methods",
]
