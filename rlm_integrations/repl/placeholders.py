"""What stands in place of an answer where models are shown how to give one, or tell of it."""

from __future__ import annotations

import re

PLACEHOLDER = re.compile(
    r"\.\.\.|…|[<\[{]?+(?:your|the|final|my)[ _](?>(?:final[ _])?)answer(?>(?: (?>(?:goes )?)here)?)[>\]}]?+"
    r"|[<\[](?:answer|result|value|text|content)[>\]]|answer (?>(?:goes )?)here"
    r"|[<\[](?:insert|put) [^<>\[\]\n]{1,60}+[>\]]"
    r"|<[^\W\d][\w'’/-]*+ [\w'’/ -]{1,80}+>"
    r"|\[(?>(?:the |your |final |total )*)(?:answer|result|value|number|count|total|name|date|list|summary|report)"
    r"(?>(?: (?:of|from|in|here)\b[^\[\]\n]{0,80}+)?)\]",
    re.IGNORECASE,
)
"""How talk of an answer, or an example of one, names what it will hold."""
