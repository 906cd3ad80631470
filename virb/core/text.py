"""Text: numbers and names for terminals and markdown; no name of a stranger moves a cursor or breaks a table."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from virb.core.markup import escaped


def show(value: float, unit: str) -> str:
    """Return a value as a reader wants it: shares as per cent."""
    return f"{100 * value:.1f}" if unit == "share" else f"{value:.3f}"


def many(count: int, noun: str) -> str:
    """Return `1 record`, `2 records`."""
    return f"{count} {noun}{'s' * (count != 1)}"


def cut(text: str, longest: int = 100) -> str:
    """Return the beginning of a stranger's text; what is cut is marked."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def clean(text: str) -> str:
    """Return a text on one line without anything that a terminal would act on or that hides or turns letters."""
    return "".join(letter if _harmless(letter) else "\N{REPLACEMENT CHARACTER}" for letter in " ".join(text.split()))


def _harmless(letter: str) -> bool:
    return unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def printable(text: str) -> str:
    """Return a text of several lines as a terminal may have it: its lines and columns stay, nothing in it acts.

    Whatever is printed goes through this once, at the printing: names of tensors, keys of files, reasons of servers
    and names in archives all come from strangers.
    """
    return "\n".join(line if line.isprintable() else _replaced(line) for line in text.split("\n"))


def _replaced(line: str) -> str:
    return "".join(letter if letter == "\t" or _harmless(letter) else "\N{REPLACEMENT CHARACTER}" for letter in line)


_LINES, _COLUMNS = 200, 2000


def brief(text: str) -> str:
    """Return a message that fits a screen or two: long lines are cut, of very many the middle is left out."""
    lines = [cut(line, _COLUMNS) for line in printable(text).split("\n")]
    if len(lines) > _LINES:
        # A message ends with what to do: that must stay.
        kept = _LINES // 2
        lines[kept:-kept] = [f"... ({len(lines) - 2 * kept:,} lines more) ..."]
    return "\n".join(lines)


def shown(text: str, longest: int) -> str:
    """Return a clean text of at most so many columns; what is cut is marked."""
    from rich.cells import cell_len, set_cell_size

    safe = clean(text)
    return safe if cell_len(safe) <= longest else set_cell_size(safe, longest - 1).rstrip() + "…"


def aligned(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table whose columns line up in a terminal, wide letters counted as they are drawn."""
    from rich.cells import cell_len

    rows = [[clean(cell) for cell in line] for line in (header, *lines)]
    widths = [max(cell_len(row[place]) for row in rows) for place in range(len(header))]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def markdown(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table in markdown; nothing in a cell ends it or is read as markup."""
    rows = [[escaped(clean(cell)) for cell in row] for row in [header, ["---"] * len(header), *lines]]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def safe_name(text: str) -> str:
    """Return a name for cards and folders made of this text."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-._+")[:100] or "encoder"
