"""How models begin to take back what they have just said: the one list, for all who read replies. Pure."""

from __future__ import annotations

SECOND_THOUGHTS = (
    r"(?:wait|hold on)\b(?=[,.:!…—–-]|$| (?:I|that|this|no)\b)",
    # "wait" in other languages: not any word before a comma, for most lead up to more of an answer
    r"(?:moment(?>(?: mal)?)|halt|warte|attend(?:s|ez)|un instant|un momento|esper[ae]|aspett[ai]|wacht|vänta|стоп"
    r"|подожди(?>(?:те)?))\b(?=[,.!…—–])|(?:等等|等一下|慢着|(?>(?:ちょっと)?)待って)(?=[,.!…，。！、])",
    r"actually,?+ (?:no\b|wait\b|I (?:need|must|should|have to|was wrong|mis)"
    r"|(?:that|this|it)(?:['’]s| is| was) (?:wrong|not\b|incorrect|only the))",
    r"oops\b",
    r"hm{2,}+\b",
    r"scratch that\b",
    r"on (?:second thoughts?+|reflection)\b",
    r"never ?+mind\b",
    r"my mistake\b",
    r"edit:",
    r"correction ?+[:—–-]",
    r"no[,:!.]?+ (?:wait|actually|sorry|I (?:need|must|should|was (?:wrong|mistaken)|have to|mis\w{1,20}+))\b",
    r"sorry[,:!.]?+ (?:I (?:was wrong|made|mean|meant|mis\w{1,20}+)|wrong|that (?:is|was))\b",
    r"I (?:was wrong|was mistaken|miscounted|made a mistake)\b",
)
"""Patterns, to be compiled with IGNORECASE and MULTILINE behind where a line or sentence begins. No more than these:
"No, it is not stated", "Actually, section 3 says so" and "Sorry, I found no more" may explain an answer."""
BELOW_A_VALUE = (
    *SECOND_THOUGHTS,
    r"wait\b(?! for\b| until\b)",
    r"actually[ ,:]",
    r"no, (?:it|that)\b",
    r"correction\b",
    r"(?:(?!correct(?:ly|ed|[oa]s?+)\b|korrekte)[ck]orr[ei][cçgkz]\w{2,9}+|исправ\w{1,9}+|[更修訂]正)"
    r" ?+[:：,，—–-]",  # the same in many languages
    r"let me (?:re-?+(?:read|think|consider|check)|double)",
    r"i mean[ ,:]",
    r"sorry,",
    r"rather[:,]",
    r"re-?+(?:count|check)(?>(?:ing|ed)?)\b",
)
"""The same, where a reply was to be a value alone, so that words below it need no explanation but a second look."""
