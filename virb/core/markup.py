"""Markup: texts of strangers as markdown and csv take them, letter by letter and never as a command."""

from __future__ import annotations

import re

_LETTERS = re.compile(r"[\\`*|~$]")
_AT_AN_EDGE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
"""Underscores that could begin or end emphasis; between letters they cannot."""
_LINK = re.compile(r"\](?=[(\[:])")
_ADDRESS = re.compile(r"(?i)\b(https?|ftp|mailto|xmpp)(?=:)|\bwww(?=\.)")
_ENTITY = re.compile(r"&(?=#?\w+;)")
_FIRST = re.compile(r"^(?=[#>+=-])|^(\d+)(?=[.)])")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")
"""What a cell begins with that a spreadsheet computes, and the sign that it takes for a text's beginning."""


def escaped(text: str) -> str:
    """Return a text of one line that markdown shows as it is: no emphasis, link, picture, tag, formula or list."""
    safe = _LETTERS.sub(r"\\\g<0>", text)
    safe = _AT_AN_EDGE.sub(r"\\_", safe)
    safe = _LINK.sub(r"]\\", safe)
    safe = _ENTITY.sub("&amp;", safe).replace("<", "&lt;")
    return _ADDRESS.sub(r"\g<0>\\", safe)


def line(text: str) -> str:
    """Return a text that stands in a line of its own and begins no heading, list, quotation or rule."""
    return _FIRST.sub(lambda found: f"{found[1] or ''}\\", escaped(text))


def cell(text: str) -> str:
    """Return a text as a cell of csv: a spreadsheet computes what begins with a sign, and takes what follows ' as text.

    Who reads csv with a program takes one leading ' off.
    """
    return f"'{text}" if text.startswith(_FORMULA) else text
