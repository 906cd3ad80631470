"""Turns: several processes on one results folder share the jobs, each done by one of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from virb.core.locks import held, lock_path
from virb.core.paths import sweep, try_writing
from virb.core.progress import Progress
from virb.records.record import Record
from virb.run.options import Options
from virb.run.plan import Job, finished_job


def in_turn(jobs: Sequence[Job], options: Options, progress: Progress) -> Iterator[tuple[Job, Record | None]]:
    """Yield each job while its lock is held, with its record where another process has written one by now.

    What another process is at comes last: by then it is done, or there is nothing to do but wait for it.
    """
    later = []
    for job in jobs:
        with held(_lock(job, options), _what(job), wait=False) as mine:
            if mine:
                yield job, _done(job, options)
        if not mine:
            later.append(job)
    for job in later:
        with held(_lock(job, options), _what(job), progress.say):
            yield job, _done(job, options)


def _lock(job: Job, options: Options) -> Path:
    return lock_path("record", str(job.place.resolve()), cache=options.cache)


def _what(job: Job) -> str:
    return f"is at the task {job.task.name}"


def _done(job: Job, options: Options) -> Record | None:
    return None if options.force else finished_job(job, options)


def check_writable(options: Options) -> None:
    """Find out before the work, not after it, that the results have nowhere to go; sweep up after killed runs."""
    folder = options.out / "records"
    try_writing(folder)
    for place in (options.out, folder, *folder.iterdir(), options.features().store.folder):
        sweep(place)
