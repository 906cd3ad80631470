"""Real or sample: what data are is told by the data, not by the flag or the folder that they were given with."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import make_dtd
from PIL import Image
from worlds import MARKER, copy_world, marker_of

from virb.cards.encoder_names import encoder_cards
from virb.cards.sample_world import PLACE, known_samples
from virb.cards.select import select_tasks
from virb.checks.known import described, known_targets
from virb.cli import main
from virb.records.load import load
from virb.records.record import Record, comparison_key, read_all, write
from virb.run import harness
from virb.run.options import Asked, Options
from virb.run.tasks import prepare
from virb.sample import DATASETS, ensure


def data(root: Path, **asked: object) -> Options:
    return Asked(data=root, protocol="quick", workers=0, **asked).options()  # type: ignore[arg-type]


def as_it_is(root: Path) -> None:
    pass


def without_its_marker(root: Path) -> None:
    marker_of(root / "dtd").unlink()


def with_a_broken_marker(root: Path) -> None:
    marker_of(root / "dtd").write_text("{")


def under_a_root_that_says_so(root: Path) -> None:
    without_its_marker(root)
    shutil.rmtree(root / "dtd")
    make_dtd(root)
    (root / MARKER).write_text('{"sample": "world"}')


def in_part(root: Path) -> None:
    """Keep two thirds of every list, and of the pictures."""
    without_its_marker(root)
    for path in (root / "dtd" / "labels").iterdir():
        lines = path.read_text().splitlines()
        for line in lines[::3]:
            (root / "dtd" / "images" / line).unlink()
        path.write_text("\n".join(line for row, line in enumerate(lines) if row % 3) + "\n")


def of_another_seed_and_size(root: Path) -> None:
    shutil.rmtree(root / "dtd")
    ensure(["dtd"], folder=root, size=0.12, seed=5, workers=1)


DISGUISES = [as_it_is, without_its_marker, with_a_broken_marker, under_a_root_that_says_so, in_part]
DISGUISES.append(of_another_seed_and_size)


@pytest.fixture
def world(sample_root: Path, tmp_path: Path) -> Path:
    """Return a copy of the sample world's DTD, as somebody would pass it on."""
    copy_world(sample_root, "dtd", tmp_path / "world")
    return tmp_path / "world"


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("limit", [None, 60])
def test_a_sample_world_given_as_data_is_never_called_real(
    world: Path, disguise: Callable[[Path], None], limit: int | None
) -> None:
    disguise(world)
    (item,), _ = prepare(select_tasks("dtd"), data(world, limit=limit))
    assert item.source == "sample"


def test_data_whose_samples_have_the_same_names_and_whose_pictures_are_larger_stay_real(world: Path) -> None:
    """KITTI's 200 pairs have the names that the sample world gives to its own."""
    without_its_marker(world)
    Image.new("RGB", (640, 480)).save(world / "large.jpg")
    for path in (world / "dtd" / "images").rglob("*.jpg"):
        path.unlink()
        os.link(world / "large.jpg", path)
    (item,), _ = prepare(select_tasks("dtd"), data(world))
    assert item.source == "real"


def test_a_few_pictures_with_names_of_the_sample_world_stay_real(tmp_path: Path) -> None:
    (item,), _ = prepare(select_tasks("dtd"), data(make_dtd(tmp_path)))
    ids = [*item.dataset.train.ids, *item.dataset.test.ids]
    known = known_samples("dtd", "texture")
    assert known is not None
    assert not known.holds(ids, item.dataset.counts)
    assert item.source == "real"


def test_heads_that_were_trained_on_the_sample_world_make_no_real_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ImageNetV2 is scored with the heads of ImageNet."""
    ensure(["imagenet", "imagenetv2"], folder=tmp_path / "world", size=0.12, workers=1)
    (tmp_path / "world" / MARKER).unlink()
    monkeypatch.setattr("virb.run.tasks.read_dataset", _without_sign_of("imagenetv2"))
    ready, _ = prepare(select_tasks("imagenet,imagenetv2"), data(tmp_path / "world"))
    assert {item.task.name: item.source for item in ready} == {"imagenet": "sample", "imagenetv2": "sample"}


def _without_sign_of(name: str) -> Callable[..., object]:
    from virb.data import read_dataset

    def read(dataset: str, root: Path, target: str) -> object:
        found = read_dataset(dataset, root, target)
        return replace(found, sample=found.sample and dataset != name)

    return read


def test_the_table_the_records_and_the_board_of_a_sample_world_given_as_data_say_so(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    without_its_marker(world)
    line = ["evaluate", "--encoder", "baseline:color", "--tasks", "dtd", "--data", str(world), "--protocol", "quick"]
    assert main([*line, "--workers", "0", "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr()
    assert "sample world (synthetic data), protocol quick" in told.out
    assert "real data" not in told.out
    assert f"{world} holds the sample world, not real data, for dtd" in told.err
    assert main(["leaderboard", "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.startswith("sample world (synthetic")
    (record,), _ = read_all(tmp_path / "out")
    assert (record.data.source, record.data.notes) == ("sample", ())


def test_a_sample_world_given_as_data_ranks_beside_the_one_that_was_asked_for(world: Path, tmp_path: Path) -> None:
    given = harness.run(encoder_cards(["baseline:color"]), select_tasks("dtd"), replace(data(world), out=tmp_path))
    own = Asked(sample=True, out=tmp_path / "own").options()
    asked = harness.run(encoder_cards(["baseline:color"]), select_tasks("dtd"), own)
    assert given.records[0].keys == asked.records[0].keys


def test_a_table_of_real_and_sample_data_says_which_is_which(
    sample_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_dtd(tmp_path)
    shutil.copytree(sample_root / "thor_action_prediction", tmp_path / "thor_action_prediction", copy_function=os.link)
    line = ["evaluate", "--encoder", "baseline:color", "--tasks", "dtd,thor_egomotion", "--data", str(tmp_path)]
    assert main([*line, "--protocol", "quick", "--workers", "0", "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    assert {("dtd", "real"), ("thor_egomotion", "sample")} == {
        tuple(line.split()[1:3]) for line in shown.splitlines() if line.startswith("baseline-color")
    }


# --- records that were made before, or made up ----------------------------------------------------------------------


def called_real(record: Record) -> Record:
    """Return a record of the sample world as it was written where the folder was given with --data."""
    (card,), rules = select_tasks(record.task.name).tasks, Asked(sample=True).options().protocol
    data = record.data.model_copy(update={"source": "real"})
    key = comparison_key(card, rules, data.digest, "real", data.limit)
    return record.model_copy(update={"data": data, "keys": record.keys.model_copy(update={"comparison": key})})


@pytest.mark.parametrize("limit", [None, 60])
@pytest.mark.parametrize("task", ["dtd", "thor_egomotion"])
def test_a_record_that_calls_the_sample_world_real_is_named_and_left_out(
    sample_root: Path, tmp_path: Path, task: str, limit: int | None
) -> None:
    asked = Asked(sample=True, out=tmp_path / "made", limit=limit).options()
    (record,) = harness.run(encoder_cards(["baseline:color"]), select_tasks(task), asked).records
    samples = next((tmp_path / "made").rglob("*.npz")).read_bytes()
    write(called_real(record), tmp_path / "old", {record.samples.file: samples})
    assert len(load([tmp_path / "made"]).records) == 1
    results = load([tmp_path / "old"])
    assert not results.records
    assert "its test samples are those of the sample world" in results.problems[0]


def test_what_is_known_of_the_sample_world_is_what_it_holds(sample_root: Path) -> None:
    held(sample_root, ["clevr", "dtd", "thor_egomotion"])


@pytest.mark.slow
def test_what_is_known_of_the_whole_sample_world_is_what_it_holds(tmp_path: Path) -> None:
    held(ensure(DATASETS, folder=tmp_path), list(DATASETS))


def held(root: Path, names: list[str]) -> None:
    """Hold the shipped file to a world; another Pillow or zlib may pack its pictures otherwise."""
    shipped = PLACE.read_text()
    for target, cards in known_targets().items():
        known = known_samples(*target)
        assert known is not None
        if target[0] not in names:
            continue
        lines = described(root, target, cards).splitlines()
        packed_alike = f"  world: {known.world}" in lines
        for line in lines:
            assert line in shipped.splitlines() or (not packed_alike and line.startswith(("  world:", "  digests:")))


def test_every_picture_of_the_sample_world_is_smaller_than_real_ones_of_the_same_names() -> None:
    known = known_samples("kitti_flow", "flow")
    assert known is not None
    assert not known.telling
    assert known.longest < 1242
    assert np.all(np.diff(known.hashes.astype(np.int64)) > 0)


def test_the_table_of_a_limited_run_says_that_test_was_cut_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["evaluate", "--encoder", "baseline:color", "--tasks", "dtd", "--data", str(make_dtd(tmp_path))]
    line += ["--protocol", "quick", "--workers", "0", "--out", str(tmp_path / "out")]
    words = "at most 6 samples a split, test included"
    for _ in range(2):  # also where everything was done before
        assert main([*line, "--limit", "6"]) == 0
        assert words in capsys.readouterr().out
    assert main(["leaderboard", "--out", str(tmp_path / "out")]) == 0
    assert words in capsys.readouterr().out
    assert main(line) == 0
    assert "at most" not in capsys.readouterr().out
