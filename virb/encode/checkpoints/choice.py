"""Checkpoints: which network in a file is the encoder: containers, wrappers, teachers and students.

A prefix is whatever stands before a backbone's names, through dictionaries and modules alike.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from virb.encode.checkpoints.naming import Naming
from virb.encode.checkpoints.tables import namings

# What authors evaluate where a file holds several networks. Online networks of BYOL before its moving average;
# teachers of DINO, iBOT and DINOv2, the target encoders of MSN and I-JEPA, and averaged weights before the trained.
_FIRST = re.compile(r"online\w*")
_SECOND = re.compile(r"teacher|target_encoder|ema|model_ema|ema_model|state_dict_ema|ema_state_dict|ema_network|shadow")
_LAST = re.compile(
    r"encoder_k|module_k|model_k|backbone_k|key_encoder|momentum_\w+|\w+_momentum|target_\w+|\w+_teacher|predictor"
    r"|optimizer|optimizers|opt|best_\w+|discriminator"
)
_NEVER = re.compile(r"text|text_model|text_encoder|text_tower|bert|decoder|lang_encoder")
SHARE = 0.5
"""A network with fewer blocks than this share of the largest's is a part of something else."""
PLACES = 200
"""How many of the largest networks in a file are compared; no author's file has more than a few."""


@dataclass(frozen=True)
class Candidate:
    """A place in a file where a backbone may lie."""

    naming: Naming
    prefix: str
    votes: int
    names: tuple[str, ...] = ()
    """The tensors that speak for it, where its naming is one of those known."""

    @property
    def rank(self) -> tuple[int, int, int, int]:
        """Sorts the networks of a file: the one that its authors evaluate comes first."""
        parts = self.prefix.split(".")
        order = 2
        if any(_LAST.fullmatch(part) for part in parts):
            order = 3
        if any(_SECOND.fullmatch(part) for part in parts):
            order = 1
        if any(_FIRST.fullmatch(part) for part in parts):
            order = 0
        return (any(_NEVER.fullmatch(part) for part in parts), order, -self.votes, len(self.prefix))


def candidates(names: Iterable[str]) -> list[Candidate]:
    """Return every place where names of a known backbone lie, the likeliest first."""
    names = list(names)
    speaking: defaultdict[tuple[int, str], list[str]] = defaultdict(list)
    for number, naming in enumerate(namings()):
        for name in names:
            prefix = naming.prefix(name)
            if prefix is not None:
                speaking[number, prefix].append(name)
    largest = sorted(speaking.items(), key=lambda place: -len(place[1]))[:PLACES]
    found = [Candidate(namings()[number], prefix, len(own), tuple(own)) for (number, prefix), own in largest]
    found = [one for one in found if _has_also(one, names)]
    most = max((one.votes for one in found), default=0)
    return sorted((one for one in found if one.votes >= SHARE * most), key=lambda one: one.rank)


def by_names(names: Iterable[str], wanted: Iterable[str]) -> list[Candidate]:
    """Return the places where tensors of one given architecture lie, by the ends of their names."""
    plain = Naming("timm", "vit", "")
    known = set(wanted)
    votes = Counter(
        name.removesuffix(end)
        for name in names
        for end in _endings(name)
        if end in known and not end.endswith("num_batches_tracked")
    )
    most = max(votes.values(), default=0)
    found = [Candidate(plain, prefix, count) for prefix, count in votes.most_common(PLACES) if count >= SHARE * most]
    return sorted(found, key=lambda one: one.rank)


def _endings(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[place:]) for place in range(len(parts))]


def _has_also(one: Candidate, names: Iterable[str]) -> bool:
    if not one.naming.also:
        return True
    pattern = re.compile(one.naming.also)
    return any(pattern.fullmatch(name, len(one.prefix)) for name in names if name.startswith(one.prefix))


def asked(found: Iterable[Candidate], prefix: str) -> list[Candidate]:
    """Return the candidates in whose prefix these parts stand, one after another."""
    wanted = [part for part in prefix.split(".") if part]
    kept = []
    for one in found:
        parts = one.prefix.split(".")[:-1]
        runs = (parts[place : place + len(wanted)] for place in range(len(parts) - len(wanted) + 1))
        if (wanted and wanted in runs) or (not wanted and one.prefix == ""):
            kept.append(one)
    return kept


def inside(prefix: str, names: Mapping[str, object]) -> dict[str, str]:
    """Return the names behind a prefix, and what they are in the file."""
    return {name.removeprefix(prefix): name for name in names if name.startswith(prefix)}
