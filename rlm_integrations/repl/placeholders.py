"""What stands in place of an answer where models are shown how to give one, or tell of it."""

from __future__ import annotations

import re

_NAMED = r"(?:your|the|final|my)[ _](?>(?:final[ _])?)answer(?>(?: (?>(?:goes )?)here)?)"
_MARKED = (
    rf"\.\.\.|…|[<\[{{]{_NAMED}[>\]}}]|[<\[](?:answer|result|value|text|content)[>\]]"
    r"|(?>(?:your )?)answer (?>(?:goes )?)here"
    r"|[<\[](?:insert|put) [^<>\[\]\n]{1,60}+[>\]]"
    r"|<[^\W\d][\w'’/-]*+ [\w'’/ -]{1,80}+>"
    r"|\[(?>(?:the |your |final |total )*)(?:answer|result|value|number|count|total|name|date|list|summary|report)"
    r"(?>(?: (?:of|from|in|here)\b[^\[\]\n]{0,80}+)?)\]"
)
PLACEHOLDER = re.compile(rf"{_MARKED}|[<\[{{]?+{_NAMED}[>\]}}]?+", re.IGNORECASE)
"""How talk of an answer, or an example of one, names what it will hold."""
MARKED_PLACEHOLDER = re.compile(_MARKED, re.IGNORECASE)
"""Of those what no value is: "the answer" may be one."""
