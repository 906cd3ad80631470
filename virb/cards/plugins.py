"""Plug-ins: cards and encoders that other installed packages offer through packaging entry points.

Being installed is being trusted: whoever installs a package runs its code. A broken one is named and left out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

log = logging.getLogger(__name__)

Kind = Literal["tasks", "encoders"]


@dataclass(frozen=True)
class Offer:
    """One name that a package adds: a card file, or, for encoders, a class."""

    name: str
    owner: str
    card: Path | None = None
    made_by: EntryPoint | None = None


@dataclass
class Offers:
    """What packages add under one entry point group, and what was left out and why."""

    by_name: dict[str, Offer] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def offers(kind: Kind, shipped: Collection[str], check: Callable[[Path], None]) -> Offers:
    """Return what packages add beside the shipped names; `check` raises for a card that cannot be used.

    A name that is taken is refused whoever asks: otherwise the order of installation would decide what it means.
    """
    made, seen = Offers(), dict.fromkeys(shipped, "virb itself")
    for point in _points(f"virb.{kind}"):
        try:
            found = list(_offered(point, kind))
        except Exception as error:  # a stranger's package can fail in any way
            made.problems.append(f"plug-in {_owner(point)}: {point.value}: {type(error).__name__}: {error}")
            continue
        for offer in found:
            problem = _clash(offer, seen) or _unusable(offer, check)
            seen.setdefault(offer.name, offer.owner)
            if problem:
                made.problems.append(f"plug-in {offer.owner}: {offer.name}: {problem}")
                if seen[offer.name] not in ("virb itself", offer.owner):
                    made.by_name.pop(offer.name, None)
            else:
                made.by_name[offer.name] = offer
    for problem in made.problems:
        log.warning("left out: %s", problem)
    return made


@cache
def _points(group: str) -> tuple[EntryPoint, ...]:
    return tuple(sorted(entry_points(group=group), key=lambda point: (_owner(point), point.name)))


def _offered(point: EntryPoint, kind: Kind) -> Iterator[Offer]:
    """Yield the cards in a package's folder, or the one class that an entry point names."""
    if ":" in point.value:
        if kind == "tasks":
            raise TypeError("a task is a card: name a package with card files in it, without a colon")
        yield Offer(point.name, _owner(point), made_by=point)
        return
    spec = find_spec(point.value)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    cards = [path for folder in folders for path in sorted(Path(folder).glob("*.yaml"))]
    if not cards:
        raise FileNotFoundError("there is no package of this name with card files (.yaml) in it")
    yield from (Offer(path.stem, _owner(point), card=path) for path in cards)


def _clash(offer: Offer, seen: dict[str, str]) -> str:
    return f"the name is taken by {seen[offer.name]}" if offer.name in seen else ""


def _unusable(offer: Offer, check: Callable[[Path], None]) -> str:
    try:
        if offer.card:
            check(offer.card)
    except Exception as error:
        return str(error)
    return ""


def _owner(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.name
