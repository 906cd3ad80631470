"""Errors: every message a user sees has three parts (found, expected, what to do)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class VirbError(Exception):
    """A problem that the user can act on; printed without a traceback."""

    exit_code = 1

    def __init__(self, found: str, expected: str = "", remedy: str = "") -> None:
        self.found, self.expected, self.remedy = found, expected, remedy
        parts = [found]
        if expected:
            parts.append(f"Expected: {expected}")
        if remedy:
            parts.append(f"What to do: {remedy}")
        super().__init__("\n".join(parts))

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the trip between processes, which re-creates an exception from its arguments."""
        return type(self), (self.found, self.expected, self.remedy)


class UsageError(VirbError):
    """The command itself is wrong: an unknown name, an impossible option."""

    exit_code = 2


class CardError(UsageError):
    """A task, encoder or protocol card that cannot be used."""


class DataError(VirbError):
    """Data that is missing, half there or unreadable."""


class MissingData(DataError):
    """A data set that is not there at all: a group skips it, a single task fails."""


class Unsuited(UsageError):
    """A task that this encoder or protocol cannot be asked: a group skips it, a single task fails."""


class CheckpointError(VirbError):
    """A weights file that cannot be trusted or understood."""


class NumericsError(VirbError):
    """NaN or infinity where a number was needed."""


class OutputError(VirbError):
    """A folder that cannot be written to."""


class DamagedEntry(VirbError):
    """An entry of the cache that is not what was written; it is removed, so that it can be made again."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return "did you mean 'x'?" for the closest known spelling, capitals aside, or an empty string."""
    spellings = {word.lower(): word for word in known}
    close = difflib.get_close_matches(name.lower(), spellings, n=1, cutoff=0.55)
    return f"did you mean '{spellings[close[0]]}'?" if close else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the same as the end of a sentence: "; did you mean 'x'?" or nothing."""
    hint = nearest(name, known)
    return f"; {hint}" if hint else ""
