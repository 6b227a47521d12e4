"""The Monty sandbox: a language VM for a subset of Python, on every platform that `pydantic-monty` has wheels for."""
