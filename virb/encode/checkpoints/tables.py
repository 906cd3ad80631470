"""Checkpoints: the tables beside this module, `models.yaml` and `namings.yaml`, each read when first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from virb.cards.yaml_files import read_yaml
from virb.encode.checkpoints.naming import Family, Naming

Sketch = tuple[tuple[int, ...], int]


@cache
def _content(name: str) -> dict[str, Any]:
    return read_yaml(Path(__file__).with_name(f"{name}.yaml"))


@cache
def sketches() -> dict[Family, dict[str, Sketch]]:
    """Return what tells a family's models apart: blocks per stage, and the widest layer of the last stage."""
    return {
        family: {name: (tuple(depths), width) for name, (depths, width) in known["models"].items()}
        for family, known in _content("models")["families"].items()
    }


def blocks(family: Family) -> str:
    """Return the pattern by which a family's keys say their stage and their block."""
    pattern: str = _content("models")["families"][family]["blocks"]
    return pattern


@cache
def named(table: str) -> dict[tuple[Any, ...], str]:
    """Return the names in a table's last column, by what stands before them in their rows."""
    return {tuple(facts): name for *facts, name in _content("models")[table]}


@cache
def namings() -> tuple[Naming, ...]:
    """Return every naming known, in the order in which they are tried."""
    content = _content("namings")
    parts: dict[str, str] = {}
    for name, text in content["parts"].items():
        parts[f"<{name}>"] = _whole(text, parts)
    rows = content["namings"]
    return tuple(
        Naming(
            title,
            row["family"],
            _whole(row["body"], parts),
            tuple(
                (_whole(pattern, parts), name)
                for pattern, name in rows[row.get("rules_of", title)].get("rules", {}).items()
            ),
            row.get("also", ""),
            row.get("wide_epsilon", ""),
        )
        for title, row in rows.items()
    )


def _whole(pattern: str, parts: Mapping[str, str]) -> str:
    for name, text in parts.items():
        pattern = pattern.replace(name, text)
    return pattern
