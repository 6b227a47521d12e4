"""Files and folders as texts: finding them, decoding them, and saying what was left out.

Knows nothing of corpora and models. Imports the standard library, and pathspec and charset-normalizer where they are
installed; what other formats need is imported in a child process alone, in `conversion/`.
"""
