"""Command line: the standard streams, which may go to a full disk."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, cast

from virb.core.errors import OutputError


class Output:
    """The output stream; that it takes no more is an error in three parts, and what it still holds is given up."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream, self.reason = stream, ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write a text."""
        with self._explained():
            return self.stream.write(text)

    def flush(self) -> None:
        """Hand over what was written."""
        with self._explained():
            self.stream.flush()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            if not self.reason:
                yield
                return
        except BrokenPipeError:  # a reader that has seen enough is no fault
            raise
        except OSError as error:
            self.reason = str(error.strerror or error)
            give_up(self.stream)
        raise OutputError(  # each time: who writes to find out what a stream is swallows the first
            f"cannot write to the standard output: {self.reason}",
            "a terminal, a pipe or a file on a disk with free space",
            "free some space, or send the output elsewhere, and run the same command again; what the command wrote "
            "to files is whole",
        )


class Notes(Output):
    """The error stream: notes that it cannot take are lost, which is no reason to end hours of work."""

    def write(self, text: str) -> int:
        """Write a text if that can be done."""
        with suppress(OutputError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        """Hand over what was written if that can be done."""
        with suppress(OutputError):
            super().flush()


def give_up(stream: IO[str]) -> None:
    """Send what a stream still holds, and all that comes, nowhere: Python would try again, and complain, at its end."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, stream.fileno())
        finally:
            os.close(nowhere)


@contextmanager
def careful() -> Iterator[None]:
    """Let the standard streams explain inside the block what they cannot take."""
    before = sys.stdout, sys.stderr
    if sys.stdout is not None:
        sys.stdout = cast(Any, Output(sys.stdout))
    if sys.stderr is not None:
        sys.stderr = cast(Any, Notes(sys.stderr))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
