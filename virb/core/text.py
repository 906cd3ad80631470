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


def clean(text: str) -> str:
    """Return a text on one line without anything that a terminal would act on or that hides or turns letters."""
    return "".join(letter if _harmless(letter) else "\N{REPLACEMENT CHARACTER}" for letter in " ".join(text.split()))


def _harmless(letter: str) -> bool:
    return unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def shown(text: str, longest: int) -> str:
    """Return a clean text of at most so many columns; what is cut is marked."""
    from rich.cells import cell_len, set_cell_size

    safe = clean(text)
    return safe if cell_len(safe) <= longest else set_cell_size(safe, longest - 1).rstrip() + "…"


def aligned(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table whose columns line up in a terminal, wide letters counted as they are drawn."""
    from rich.cells import cell_len

    rows = [list(header), *[[clean(cell) for cell in line] for line in lines]]
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
