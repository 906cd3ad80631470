"""Checkpoints: what a tensor that a file lacks would be called there, told by the names of those that it has."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from itertools import islice

from virb.encode.checkpoints.naming import PARTS, Naming

TRIED = 100_000
"""Names that are tried; a file of the largest network asks for half of them."""


class Lost:
    """The names that tensors beside those of a file could have."""

    def __init__(self, naming: Naming, keys: Iterable[str]) -> None:
        self.naming = naming
        self.keys = sorted(set(keys))
        self.beside = cache(self._beside)

    def name_of(self, name: str) -> str:
        """Return what a tensor of timm's name would be called in the file, if that can be told."""
        names = (
            name,
            *(f"{name}.{part}" for parts in PARTS for part in parts),
            re.sub(r"\b[qv]_bias$", "qkv.bias", name),
        )
        found = sorted(place for one in dict.fromkeys(names) for place in self._guesses.get(one, ()))
        return max(found, key=lambda place: self._likelihood(place[1]))[1] if found else name

    @cached_property
    def _guesses(self) -> dict[str, list[tuple[int, str]]]:
        """Names that are not in the file, in the order in which they were tried, by what timm calls them."""
        present, guesses = set(self.keys), defaultdict(list)
        every = dict.fromkeys(islice((key for part in (self._literal(), self._siblings()) for key in part), TRIED))
        for place, key in enumerate(every):
            if key not in present:
                guesses[self.naming.rename(key)].append((place, key))
        return dict(guesses)

    def _literal(self) -> Iterator[str]:
        """Yield the keys of rules that hold no numbers."""
        for pattern, _ in self.naming.rules:
            if "\\d" not in pattern and "[" not in pattern:
                choice = re.search(r"\(([\w|]+)\)", pattern)
                for word in choice[1].split("|") if choice else ("",):
                    yield (pattern.replace(choice[0], word) if choice else pattern).replace("\\.", ".")

    def _siblings(self) -> Iterator[str]:
        """Yield keys that differ from one of the file in their last part, and those that do in a number."""
        most = 1 + max(
            (int(number) for key in self.keys for number in re.findall(r"(?<!\d)\d{1,3}(?!\d)", key)), default=0
        )
        endings = sorted({key.rpartition(".")[2] for key in self.keys})
        for stem in dict.fromkeys(key.rpartition(".")[0] for key in self.keys):
            for ending in endings:
                yield f"{stem}.{ending}"
        for key in self.keys:
            pieces = re.split(r"(\d+)", key)
            for place in range(1, len(pieces), 2):
                for number in range(most + 1):
                    yield "".join((*pieces[:place], str(number), *pieces[place + 1 :]))

    def _likelihood(self, key: str) -> tuple[bool, bool, int]:
        """Sorts what a lost tensor may be called: its layer holds no layers, has other tensors, or such neighbours.

        Blocks may be counted in chunks, and the last convolution of a network may have any number.
        """
        plain, some = self.beside(key.rpartition(".")[0] + ".")
        return plain, plain and some, self._shared(key)

    def _beside(self, stem: str) -> tuple[bool, bool]:
        """Tell whether what begins like this in the file are tensors only, and whether there is any."""
        start = bisect_left(self.keys, stem)
        end = bisect_right(self.keys, stem + "\U0010ffff")
        return not any("." in key[len(stem) :] for key in self.keys[start:end]), start < end

    def _shared(self, key: str) -> int:
        """Return how many characters a key shares with one of the file from the start: with one beside it in order."""
        place = bisect_left(self.keys, key)
        return max((_common(key, other) for other in self.keys[max(0, place - 1) : place + 1]), default=0)


def _common(key: str, other: str) -> int:
    return next(
        (place for place, (a, b) in enumerate(zip(key, other, strict=False)) if a != b), min(len(key), len(other))
    )
