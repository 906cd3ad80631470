"""Checkpoints: what a file holds to its tensors by their whole names, through all dictionaries around them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from virb.core.pickles import Inert
from virb.core.text import cut
from virb.encode.checkpoints.machine import NotRead

TENSORS = 20_000
LONGEST_NAME = 1_000
LETTERS = 2_000_000
"""How many tensors a file may name, and how long their names may be, alone and together: with optimiser, teacher and
averages, files of the largest networks name some thousands."""
NESTING = 16
FIRST = 8
"""Items of a list that are looked at: one around state dicts is short; long ones hold curves and optimisers."""


def tensors_of(content: Any, kinds: tuple[type, ...]) -> Iterator[tuple[str, str, Any]]:
    """Yield container, whole name and tensor, which is of one of these kinds."""
    letters = 0
    for count, (container, name, leaf) in enumerate(_leaves(content, kinds), 1):
        letters += len(name)
        if len(name) > LONGEST_NAME:
            raise NotRead(f"a tensor's name has more than {LONGEST_NAME:,} letters: {cut(name)}")
        if count > TENSORS or letters > LETTERS:
            raise NotRead(f"it names more than {TENSORS:,} tensors, or with more than {LETTERS:,} letters")
        yield container, name, leaf


def _leaves(content: Any, kinds: tuple[type, ...]) -> Iterator[tuple[str, str, Any]]:
    """Yield container, whole name and tensor; a dictionary that is met again is not walked again."""
    seen: set[int] = set()
    waiting: list[tuple[str, str, Any, int]] = [("", "", content, 0)]
    while waiting:
        container, stem, node, depth = waiting.pop()
        if not isinstance(node, (dict, list, Inert)) or id(node) in seen or depth > NESTING:
            continue
        seen.add(id(node))
        for key, value in _items(node):
            if not isinstance(value, (*kinds, dict, list, Inert)):
                continue
            name = f"{stem}{_part(key)}"[: LONGEST_NAME + 1]  # a longer one is refused with its first tensor
            whole = f"{container}.{name}"[: LONGEST_NAME + 1] if container else name
            if isinstance(value, kinds):
                yield container, whole, value
            elif isinstance(value, Inert):
                waiting.append((container, f"{name}.", value, depth + 1))
            elif not stem:
                waiting.append((whole, "", value, depth + 1))


def _part(key: Any) -> str:
    return str(key[: LONGEST_NAME + 1] if isinstance(key, (str, bytes)) else key)


def _items(node: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(node, Inert):
        yield from (node.state or {}).items()
    elif isinstance(node, dict):
        yield from node.items()
    else:
        yield from enumerate(node[:FIRST])
