"""Journal: lines that a script can follow, whole whatever writes them; each kind of warning once."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from virb import sample
from virb.api import begin_sample
from virb.cards.select import select_tasks
from virb.core import once, stopping
from virb.core.progress import Silent
from virb.run import journal as journal_module
from virb.run.journal import Followed, Journal, following
from virb.run.options import Asked
from virb.run.report import Report


def lines(place: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in place.read_text().splitlines()]


def test_a_stage_is_noted_from_its_begin_to_its_end_with_rate_and_remaining_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(100, 1000, 4))
    monkeypatch.setattr(journal_module.time, "monotonic", lambda: float(next(clock)))
    progress = Followed(Silent(), Journal(tmp_path / "run.log"))
    with progress.stage("encode dtd", 100, "images") as advance:
        for _ in range(4):
            advance(25)
    found = lines(tmp_path / "run.log")
    assert found[0]["event"] == "stage"
    assert found[-1]["event"] == "stage end"
    (inner, *_) = [line for line in found if line["event"] == "progress"]
    assert inner["total"] == 100
    assert inner["rate"] > 0  # type: ignore[operator]
    assert inner["left"] == pytest.approx((100 - inner["done"]) / inner["rate"], rel=0.02)  # type: ignore[operator]
    assert found[-1]["done"] == 100
    assert {line["run"] for line in found} == {found[0]["run"]}
    assert all(line["pid"] == os.getpid() for line in found)


def test_a_step_notices_a_wish_to_stop_that_was_swallowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    progress = Followed(Silent(), Journal())
    monkeypatch.setattr(stopping, "_heard", [])
    with progress.stage("encode dtd", 2, "images") as advance:
        advance(1)
        stopping._heard.append(2)
        with pytest.raises(KeyboardInterrupt):
            advance(1)


def test_a_line_after_one_that_was_cut_begins_anew(tmp_path: Path) -> None:
    place = tmp_path / "run.log"
    place.write_text('{"event": "sta')
    Journal(place).write("start")
    cut, whole = place.read_text().splitlines()
    assert cut == '{"event": "sta'
    assert json.loads(whole)["event"] == "start"


def test_a_log_that_cannot_be_written_is_told_once_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(tmp_path)  # a folder
    journal.write("start")
    journal.write("end")
    assert len([one for one in caplog.records if "cannot write" in one.getMessage()]) == 1


def test_a_large_log_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "_LARGEST", 10)
    place = tmp_path / "run.log"
    place.write_text("x" * 11 + "\n")
    Journal(place).write("start")
    assert len(lines(place)) == 1
    assert (tmp_path / "run.log.1").read_text() == "x" * 11 + "\n"


def fill(place: Path) -> None:
    journal = Journal(place)
    for number in range(200):
        journal.write("note", text=f"{number} " + "x" * (number * 7))


def test_lines_of_several_processes_stay_whole(tmp_path: Path) -> None:
    place = tmp_path / "run.log"
    crew = [multiprocessing.get_context("spawn").Process(target=fill, args=(place,)) for _ in range(3)]
    for one in crew:
        one.start()
    for one in crew:
        one.join()
    found = lines(place)
    assert len(found) == 600
    assert len({line["run"] for line in found}) == 3


def test_a_warning_is_noted_once_however_often_and_in_whatever_numbers(tmp_path: Path) -> None:
    place = tmp_path / "run.log"
    with following(Journal(place)):
        for number in range(1000):
            logging.getLogger("virb.test").warning("picture %d of %s is odd", number, f"/data/{number}.jpg")
        logging.getLogger("virb.test").warning("something else")
    assert [line["text"] for line in lines(place)] == ["picture 0 of /data/0.jpg is odd", "something else"]


def test_pythons_own_warnings_are_shown_once_too(capsys: pytest.CaptureFixture[str]) -> None:
    handler = once.listen(once.Stderr())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(False)
            logging.captureWarnings(True)
            for number in range(50):
                warnings.warn(f"corrupt EXIF data: {number} bytes", UserWarning, stacklevel=1)
        logging.captureWarnings(False)
    finally:
        logging.getLogger().removeHandler(handler)
    assert capsys.readouterr().err.count("corrupt EXIF") == 1


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt(), "interrupted"), (OSError("full"), "stopped")])
def test_how_a_run_ended_stands_in_the_last_line(tmp_path: Path, error: BaseException, status: str) -> None:
    def work() -> None:
        with following(Journal(tmp_path / "run.log")):
            raise error

    with pytest.raises(type(error)):
        work()
    assert lines(tmp_path / "run.log")[-1]["status"] == status


class Stopping(Silent):
    """Hears Ctrl-C at the third picture."""

    def __init__(self) -> None:
        self.left = 3

    @contextmanager
    def stage(self, name: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        def advance(count: int) -> None:
            self.left -= count
            if self.left <= 0:
                raise KeyboardInterrupt

        yield advance


def test_the_making_of_the_sample_world_stands_in_the_log_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = partial(sample.ensure, folder=tmp_path / "world", size=0.12, workers=1)
    monkeypatch.setattr(sample, "ensure", world)
    selection = select_tasks("dtd")
    options = Asked(sample=True, out=tmp_path / "results").options()
    with pytest.raises(KeyboardInterrupt):
        begin_sample(selection, options, Stopping(), Report())
    *_, end = lines(options.out / "run.log")
    assert (end["event"], end["status"]) == ("end", "interrupted")
    (options.out / "run.log").unlink()
    report = Report()
    begin_sample(selection, options, None, report)
    first, *_, last = lines(options.out / "run.log")
    assert [first["event"], first["stage"], first["done"]] == ["stage", "sample world: dtd", 0]
    assert [last["event"], last["stage"], last["done"]] == ["stage end", "sample world: dtd", last["total"]]
    report.begin(["x"], ["dtd"], options)
    start = lines(options.out / "run.log")[-1]
    assert [start["event"], start["run"]] == ["start", first["run"]]
    begin_sample(selection, options, None, report)
    assert lines(options.out / "run.log")[-1] == start, "nothing was left to make"
