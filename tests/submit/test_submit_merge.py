"""Bundles that are added to a results folder: what they claim never takes the place of what was measured."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from virb.cards.encoder_names import encoder_cards
from virb.cards.select import select_tasks
from virb.cli import main
from virb.core.errors import VirbError
from virb.heads import VERSIONS
from virb.leaderboard import Board, boards
from virb.records.load import load
from virb.records.record import Record, read_record, record_stem, resume_key
from virb.run.harness import run
from virb.run.options import Options
from virb.run.score import breakdown_of, measured, value_of
from virb.submit.bundle import Manifest
from virb.submit.container import MANIFEST
from virb.submit.current import cards_of, metrics_of
from virb.submit.make import make_bundle
from virb.submit.merge import board_notes, merge, verdicts
from virb.submit.verdict import as_text
from virb.submit.verify import verify

NAME = "baseline-color"


@pytest.fixture
def mine(results: Path, tmp_path: Path) -> Path:
    """Return a results folder of one's own."""
    return shutil.copytree(results, tmp_path / "mine")


def only(forged: Any, task: str) -> str:
    """Leave one task in a bundle, and return the place of its record."""
    kept = next(str(name) for name in forged.records if f"/{task}." in name)
    for name in list(forged.files):
        if name.startswith("records/") and f"/{task}." not in name:
            del forged.files[name]
    manifest = Manifest.model_validate_json(forged.files[MANIFEST])
    tasks = {task: manifest.tasks[task]}
    forged.files[MANIFEST] = manifest.model_copy(update={"tasks": tasks}).sealed().as_bytes()
    return kept


def claim(forged: Any, task: str, right: float, seeds: int = 5, **changes: Any) -> Path:
    """Return a bundle that adds up, in which so many seeds of an image task are right on a share of all samples."""
    name = only(forged, task)
    record, arrays = Record.model_validate_json(forged.files[name]), forged.arrays(name)
    targets, classes = arrays["targets"], record.data.classes
    hits = np.arange(len(targets)) < right * len(targets)
    found = np.broadcast_to(np.where(hits, targets, (targets + 1) % classes), (seeds, len(targets)))
    arrays["predictions"] = np.ascontiguousarray(found).astype(np.int32)
    ones = np.ones(found.shape)
    arrays["statistics.top1"] = np.stack([found == targets, ones], -1).astype(np.float32)
    cards = cards_of(record)[0]
    metrics = metrics_of(record, cards)
    assert cards is not None
    assert metrics is not None
    assert record.head is not None
    rows = arrays["statistics.top1"].astype(np.float64)
    score, replicates = measured(metrics[0], list(rows), arrays["groups"].astype(np.int64), record.data.test_digest)
    training = cards.training.model_copy(update={"seeds": seeds}).model_dump(mode="json")
    version = VERSIONS[record.head.name]
    key = resume_key(record.keys.comparison, record.encoder.fingerprint, training, record.numerics, version)
    stem = record_stem(task, record.protocol.name, key)
    new = f"{name.rpartition('/')[0]}/{stem}.json"
    for ending in ("json", "npz", "safetensors"):
        content = forged.files.pop(name.replace(".json", f".{ending}"))
        if ending != "safetensors":
            forged.files[new.replace(".json", f".{ending}")] = content
    told = {
        "score": score,
        "seeds": [value_of(metrics[0], one) for one in rows],
        "replicates": [round(float(value), 6) for value in replicates],
        "breakdown": breakdown_of(metrics[0], rows, targets, arrays["predictions"], list(record.breakdown)),
        "keys": record.keys.model_copy(update={"resume": key}),
        "samples": record.samples.model_copy(update={"file": f"{stem}.npz"}),
        "heads": None,
        **changes,
    }
    forged.files[new] = record.model_copy(update=told).model_dump_json(indent=1).encode()
    forged.put_arrays(new, arrays)
    return Path(forged.write())


def only_board(*places: Path) -> Board:
    (board,) = boards(load(places))
    return board


def value(board: Board, task: str = "dtd", name: str = NAME) -> float:
    return board.cells[name, task].value


def test_made_up_statistics_of_more_seeds_do_not_replace_what_was_measured_here(
    mine: Path, forger: Callable[[], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    before = only_board(mine)
    tomorrow = (datetime.now(UTC) + timedelta(hours=20)).isoformat(timespec="seconds")
    bundle = claim(forger(), "dtd", 1.0, created=tomorrow)
    assert verify(bundle).verdict == "consistent", as_text(verify(bundle))
    assert main(["leaderboard", "--add", str(bundle), "--out", str(mine)]) == 0
    told = capsys.readouterr()
    assert "contradicts" in told.err
    assert "contradicts" in told.out
    after = only_board(mine)
    assert {key: cell.value for key, cell in after.cells.items()} == {
        key: cell.value for key, cell in before.cells.items()
    }
    assert after.rows[0].facts == before.rows[0].facts
    assert any("dtd: 1 (submitted, consistent) contradicts" in note for note in after.notes)


def test_verify_tells_what_contradicts_the_records_that_are_here(
    mine: Path, forger: Callable[[], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(claim(forger(), "dtd", 1.0, seeds=2))  # of the same run, in the very place of the one that is here
    assert main(["verify", path, "--records", str(mine)]) == 0
    assert "dtd: 1 (submitted, consistent) contradicts" in capsys.readouterr().err
    assert main(["verify", path]) == 0
    assert "contradicts" not in capsys.readouterr().err


def test_records_of_one_bundle_that_contradict_one_another_are_not_verified(
    forger: Callable[[], Any],
) -> None:
    forged, other = forger(), forger()
    claim(other, "dtd", 1.0)
    forged.files |= {name: text for name, text in other.files.items() if name.startswith("records/")}
    verdict = verify(forged.write())
    assert verdict.verdict == "consistent"
    assert "contradicts" in verdict.reasons[0]


def test_of_two_bundles_that_only_add_up_the_first_stands_and_the_second_is_shown_to_contradict_it(
    bundle: Path, forger: Callable[[], Any], tmp_path: Path
) -> None:
    out = tmp_path / "board"
    assert merge(bundle, out, verify(bundle)).contradictions == ()
    before = only_board(out)
    other = claim(forger(), "dtd", 1.0)
    (told,) = merge(other, out, verify(other)).contradictions
    assert "contradicts" in told
    assert value(only_board(out)) == value(before)
    assert only_board(out).cells[NAME, "dtd"].note == "submitted, consistent"
    assert told in " ".join(only_board(out).notes)


def test_the_same_network_under_another_name_is_left_out_where_it_contradicts_what_was_measured(
    mine: Path, forging: Callable[[Path], Any], bundle: Path
) -> None:
    forged = forging(bundle)
    for name in list(forged.files):
        content = forged.files.pop(name)
        if not name.endswith((".npz", ".safetensors")):
            content = content.replace(b"baseline-color", b"brilliant-color")
        forged.files[name.replace("baseline-color", "brilliant-color")] = content
    other = claim(forged, "dtd", 1.0)
    verdict = verify(other)
    assert verdict.verdict == "consistent", as_text(verdict)
    merge(other, mine, verdict)
    board = only_board(mine)
    assert [row.encoder for row in board.rows] == [NAME]
    assert "under the name baseline-color" in board.left_out[0]


def test_a_verified_record_goes_before_one_that_only_adds_up_whenever_each_was_added(
    bundle: Path, forger: Callable[[], Any], tmp_path: Path
) -> None:
    out, verdict = tmp_path / "board", verify(bundle)
    other = claim(forger(), "dtd", 1.0)
    merge(other, out, verify(other))
    assert value(only_board(out)) == 1.0
    again = replace(verdict, records=tuple(replace(one, verdict="verified") for one in verdict.records))
    merge(bundle, out, replace(again, verdict="verified"))
    assert value(only_board(out)) < 1.0


@pytest.mark.parametrize("created", ["2099-01-01T00:00:00+00:00", "9999", "soon", ""])
def test_a_record_of_the_future_or_of_no_date_is_refused(mine: Path, forger: Callable[[], Any], created: str) -> None:
    forged = forger()
    record = forged.record(forged.records[0])
    record["created"] = created
    forged.put_record(forged.records[0], record)
    path = forged.write()
    assert verify(path).verdict == "broken"
    with pytest.raises(VirbError):
        merge(path, mine, verify(path))
    path = next((mine / "records").rglob("dtd.*.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"created": created}))
    results = load([mine])
    assert len(results.records) == 3
    assert "it says it was made" in results.problems[0]


def test_what_was_measured_before_its_bundle_came_stays_measured(results: Path, bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "board"
    merge(bundle, out, verify(bundle))
    shutil.rmtree(out / "submissions")  # the very same bytes, measured here
    merge(bundle, out, verify(bundle))
    assert verdicts(out) == {}
    assert {member.origin.word for member in load([out]).members} == {"measured"}


def test_a_verdict_speaks_of_its_own_encoders_records_only(mine: Path) -> None:
    """A file that was planted beside the verdicts does not lower what was measured here."""
    listed = [
        {
            "file": str(path.relative_to(mine)),
            "resume": read_record(path).keys.resume,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "verdict": "consistent",
        }
        for path in sorted((mine / "records").rglob("*.json"))
    ]
    planted = mine / "submissions" / "somebody-00000000" / "verdict.json"
    planted.parent.mkdir(parents=True)
    planted.write_text(json.dumps({"records": listed}))
    assert verdicts(mine) == {}
    assert board_notes(mine) == []
    assert {member.origin.word for member in load([mine]).members} == {"measured"}


def test_names_that_no_file_can_have_end_no_board(mine: Path) -> None:
    names = ["a" * 5000, "nul\0", "..", ""]
    planted = mine / "submissions" / "somebody-00000000" / "verdict.json"
    planted.parent.mkdir(parents=True)
    entries = [{"file": f"records/somebody-00000000/{name}", "verdict": "verified"} for name in names]
    planted.write_text(json.dumps({"records": entries}))
    assert board_notes(mine) == [f"Submitted: somebody-00000000: {len(names)} changed since"]
    assert verdicts(mine) == {}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names there")
@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir])
def test_a_bundle_is_refused_in_words_where_a_pipe_or_a_folder_has_the_place_of_its_files(
    bundle: Path, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    merge(bundle, tmp_path / "out", verify(bundle))
    samples = next((tmp_path / "out" / "records").glob("*/*.npz"))
    samples.unlink()
    make(samples)
    with pytest.raises(VirbError, match="other files in the places of new ones") as caught:
        merge(bundle, tmp_path / "out", verify(bundle))
    assert samples.name in caught.value.found


def test_a_submitted_record_spares_nobody_the_run_and_gives_way_to_it(
    forger: Callable[[], Any], tiny_options: Options, tmp_path: Path
) -> None:
    out = tmp_path / "board"
    other = claim(forger(), "dtd", 1.0, seeds=2)
    merge(other, out, verify(other))
    assert value(only_board(out)) == 1.0
    report = run(
        encoder_cards(["baseline:color"]), select_tasks("dtd"), replace(tiny_options, out=out, save_heads=False)
    )
    assert len(report.records) == 1
    assert value(only_board(out)) < 1.0
    assert load([out]).members[0].origin.word == "measured"
    assert board_notes(out) == []


def test_somebody_elses_records_are_not_submitted_as_ones_own(
    mine: Path, forger: Callable[[], Any], card: Any, tmp_path: Path
) -> None:
    other = claim(forger(), "dtd", 1.0)
    merge(other, mine, verify(other))
    made = make_bundle(card, mine, tmp_path / "mine.zip")
    assert len(made.records) == 4
    assert max(record.score.value for record in made.records if record.task.name == "dtd") < 1.0
    shutil.rmtree(mine / "records")
    (mine / "submissions").rename(tmp_path / "submissions")
    shutil.rmtree(mine)
    merge(other, mine, verify(other))
    with pytest.raises(VirbError, match="came in bundles"):
        make_bundle(card, mine, tmp_path / "none.zip")


# Several at once


def _parts(results: Path, card: Any, folder: Path) -> list[Path]:
    """Return three bundles of one encoder, each of another task."""
    made = []
    for task in ("dtd", "pets", "thor_egomotion"):
        part = shutil.copytree(results, folder / task)
        for path in (part / "records").rglob("*.json"):
            if not path.name.startswith(f"{task}."):
                path.unlink()
        made.append(make_bundle(card, part, folder / f"{task}.zip").path)
    return made


def test_bundles_that_are_added_at_once_all_keep_their_verdicts(results: Path, card: Any, tmp_path: Path) -> None:
    bundles = _parts(results, card, tmp_path / "parts")
    found = [verify(bundle) for bundle in bundles]
    lost = []
    for number in range(25):
        out, start = tmp_path / f"board{number}", threading.Barrier(len(bundles))

        def add(place: int, out: Path = out, start: threading.Barrier = start) -> None:
            start.wait()
            merge(bundles[place], out, found[place])

        threads = [threading.Thread(target=add, args=(place,)) for place in range(len(bundles))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        lost += [number] if len(verdicts(out)) != len(bundles) else []
    assert lost == []


def test_commands_that_add_bundles_at_once_all_keep_their_verdicts(
    results: Path, card: Any, tmp_path: Path, own_cache: Path
) -> None:
    import subprocess
    import sys

    bundles, out = _parts(results, card, tmp_path / "parts"), tmp_path / "board"
    line = [sys.executable, "-m", "virb", "leaderboard", "--out", str(out), "--add"]
    running = [subprocess.Popen([*line, str(bundle)], stdout=subprocess.DEVNULL) for bundle in bundles]
    assert [one.wait(timeout=120) for one in running] == [0, 0, 0]
    assert len(verdicts(out)) == len(bundles)


def test_a_record_that_is_written_here_is_no_longer_a_submitted_one(bundle: Path, mine: Path, tmp_path: Path) -> None:
    from virb.records.record import write

    out = tmp_path / "board"
    merge(bundle, out, verify(bundle))
    for path in sorted((mine / "records").rglob("*.json")):
        files = {one.name: one.read_bytes() for one in path.parent.glob(f"{path.stem}.*") if one.suffix != ".json"}
        write(read_record(path), out, files)
    assert {member.origin.word for member in load([out]).members} == {"measured"}
    assert verdicts(out) == {}
