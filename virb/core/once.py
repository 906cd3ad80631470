"""Once: a warning is shown the first time and not the thousand times after it."""

from __future__ import annotations

import logging
import mmap
import re
import sys
import zlib

from virb.core.text import brief

_SLOTS = 1 << 16
_VARIES = re.compile(r"\d+|'[^']*'|\"[^\"]*\"|\S*[/\\]\S+")
"""Numbers, names in quotes and paths: they differ between two warnings of one kind."""


class Once(logging.Filter):
    """Lets one record of each kind through, over this process and those that it forks."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = mmap.mmap(-1, _SLOTS)  # shared with forked workers, unlike a set

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether this kind is new; what is below a warning always passes."""
        if record.levelno < logging.WARNING:
            return True
        kind = f"{record.name} {record.levelno} {_VARIES.sub('#', first_line(record))}"
        slot = zlib.crc32(kind.encode()) % _SLOTS
        new = self.seen[slot] == 0
        self.seen[slot] = 1
        return new


def first_line(record: logging.LogRecord) -> str:
    """Return a record's message; one of Python's own warnings without the line of code it quotes."""
    text = record.getMessage()
    return text.partition("\n")[0] if record.name == "py.warnings" else text


class Stderr(logging.Handler):
    """Writes `WARNING: message` to the error stream of the moment, which a bar may have taken over."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, with its traceback if it has one."""
        text = first_line(record) if record.name == "py.warnings" else self.format(record)
        print(brief(f"{record.levelname}: {text}"), file=sys.stderr, flush=True)


def listen(handler: logging.Handler, level: int = logging.WARNING) -> logging.Handler:
    """Attach a handler that hears of each kind of warning once, Python's own included; the last of its class stays."""
    root = logging.getLogger()
    for other in [one for one in root.handlers if type(one) is type(handler) and hasattr(one, "_virb")]:
        root.removeHandler(other)
    handler.__dict__["_virb"] = True
    handler.setLevel(level)
    handler.addFilter(Once())
    root.addHandler(handler)
    logging.captureWarnings(True)
    return handler
