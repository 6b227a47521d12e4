"""Evaluations: tasks made here with exact truth, and models that answer them. `python -m evals --help`."""
