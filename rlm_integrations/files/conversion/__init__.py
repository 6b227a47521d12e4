"""Formats other than text, as texts. Runs in a child process alone, within bounds of time and memory.

Each format's function takes the bytes of a file, and gives its parts. Libraries are imported when they are needed.
"""
