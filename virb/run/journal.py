"""Journal: `run.log` in the results folder, one JSON object a line, which a script can follow while a run goes on.

Lines are appended whole, also by several processes at once. A log that cannot be written never stops a run.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from virb.core import once, stopping
from virb.core.locks import held, lock_path
from virb.core.paths import not_followed
from virb.core.progress import Advance, Progress

log = logging.getLogger(__name__)

NAME = "run.log"
_EVERY = 10.0
"""Seconds between lines of one stage."""
_LARGEST = 16 << 20
"""Bytes of a log before it is put aside as `run.log.1`."""
_LONGEST = 2000
"""Letters of one text in a line: a line then goes out in one write."""


class Journal:
    """Appends events to a log file; without a place it writes nothing."""

    def __init__(self, place: Path | None = None) -> None:
        self.place, self.run, self.started = place, secrets.token_hex(4), time.monotonic()
        self.failed = False
        if place is not None:
            self._rotate(place)
            self.failed = _cut(place)

    def write(self, event: str, **facts: object) -> None:
        """Append one line: when, which run, what."""
        if self.place is None:
            return
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "run": self.run,
            "pid": os.getpid(),
            "seconds": round(time.monotonic() - self.started, 3),
            "event": event,
            **{name: value[:_LONGEST] if isinstance(value, str) else value for name, value in facts.items()},
        }
        try:
            self._append(self.place, json.dumps(line).encode() + b"\n")
        except OSError as error:
            if not self.failed:
                log.warning("cannot write %s: %s; the run goes on without", self.place, error.strerror or error)
            self.failed = True

    def _append(self, place: Path, line: bytes) -> None:
        """Write a line in one call, at the end wherever that is by now; after a cut line, begin a new one."""
        file = not_followed(str(place), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            written = os.write(file, b"\n" + line if self.failed else line)
            self.failed = written < len(line)
        finally:
            os.close(file)

    @staticmethod
    def _rotate(place: Path) -> None:
        with suppress(OSError):
            if place.stat().st_size > _LARGEST:
                with held(lock_path("log", str(place.resolve())), "puts the log aside", wait=False) as mine:
                    if mine and place.stat().st_size > _LARGEST:
                        os.replace(place, place.with_name(f"{NAME}.1"))


def _cut(place: Path) -> bool:
    """Tell whether the last line has no end: a full disk may have left it so.

    Another process may be writing: only the byte that was the last counts, and a line half there is looked at again.
    """
    try:
        with open(place, "rb", opener=not_followed) as stream:
            for pause in (0.0, 0.05):
                time.sleep(pause)
                stream.seek(-1, os.SEEK_END)
                if stream.read(1) == b"\n":
                    return False
        return True
    except OSError:  # there is none, or nothing in it
        return False


class Followed:
    """A progress that also goes to the journal, and where a lost wish to stop is found again."""

    def __init__(self, shown: Progress, journal: Journal) -> None:
        self.shown, self.journal = shown, journal

    @contextmanager
    def stage(self, name: str, total: int, unit: str) -> Iterator[Advance]:
        """Note begin and end of a stage, and every few seconds how far it is."""
        stopping.check()
        started = noted = time.monotonic()
        done = 0

        def note(event: str) -> None:
            seconds = time.monotonic() - started
            rate = done / seconds if seconds else 0.0
            left = round((total - done) / rate, 1) if rate and done < total else None
            facts = {"stage": name, "done": done, "total": total, "unit": unit, "rate": round(rate, 2), "left": left}
            self.journal.write(event, **facts)

        note("stage")
        with self.shown.stage(name, total, unit) as advance:

            def step(count: int) -> None:
                nonlocal done, noted
                stopping.check()
                done += count
                advance(count)
                if time.monotonic() - noted >= _EVERY:
                    noted = time.monotonic()
                    note("progress")

            yield step
        note("stage end")

    def say(self, text: str) -> None:
        """Say one line, and note it."""
        self.shown.say(text)
        self.journal.write("note", text=text)


class _Handler(logging.Handler):
    """Warnings go into the journal too."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self.journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        if record.name != __name__:  # which would be the journal's own trouble
            self.journal.write("warning", text=once.first_line(record))


@contextmanager
def following(journal: Journal) -> Iterator[None]:
    """Note every kind of warning inside the block, and how it ended, unless it ended well."""
    handler = once.listen(_Handler(journal))
    try:
        yield
    except KeyboardInterrupt:
        journal.write("end", status="interrupted")
        raise
    except BaseException as error:
        journal.write("end", status="stopped", reason=f"{type(error).__name__}: {error}")
        raise
    finally:
        logging.getLogger().removeHandler(handler)
