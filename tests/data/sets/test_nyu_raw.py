"""NYU: raw depth of the owner's file, as the sensor measured it, beside the in-painted one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.io import savemat

from virb.cards.select import select_tasks
from virb.core.errors import DataError, MissingData
from virb.core.paths import card_folder
from virb.core.types import Dataset
from virb.data import read_dataset
from virb.data.facts import facts_of, metric_of
from virb.run.options import Asked
from virb.run.tasks import prepare

h5py = pytest.importorskip("h5py", reason="h5py is not installed: pip install 'virb[nyu]'")
SCENES = ["kitchen_0001", "cafe_0002", "office_0003", "den_0004"]
HOLE = np.s_[100:150, 200:300]


def official(root: Path, raw: tuple[int, ...] | None = (4, 640, 480)) -> Path:
    """Write four frames in the owner's layout: three metres everywhere, four where the sensor saw nothing."""
    (root / "nyu").mkdir(parents=True)
    with h5py.File(root / "nyu" / "nyu_depth_v2_labeled.mat", "w", userblock_size=512) as file:
        file.create_dataset("images", (4, 3, 640, 480), np.uint8)
        filled, seen = np.full((480, 640), 3, np.float32), np.full((480, 640), 3, np.float32)
        filled[HOLE], seen[HOLE] = 4, 0
        file.create_dataset("depths", data=np.repeat(filled.T[None], 4, axis=0))
        if raw is not None:
            file.create_dataset(
                "rawDepths", data=np.broadcast_to(seen.T, raw) if raw[1:] == (640, 480) else np.ones(raw)
            )
        cells = file.create_dataset("scenes", (1, 4), h5py.ref_dtype)
        for place, scene in enumerate(SCENES):
            codes = np.array([[ord(letter)] for letter in scene], np.uint16)
            cells[0, place] = file.create_dataset(f"#refs#/{place}", data=codes).ref
    savemat(root / "nyu" / "splits.mat", {"trainNdxs": np.array([[1], [2], [3]]), "testNdxs": np.array([[4]])})
    return root


def depth(data: Dataset) -> np.ndarray:
    assert data.labels is not None
    return data.labels.read(int(data.test.targets[0]))


def test_raw_depth_has_the_holes_that_depth_has_filled_in(tmp_path: Path) -> None:
    official(tmp_path)
    filled, raw = (depth(read_dataset("nyu", tmp_path, target)) for target in ("depth", "raw_depth"))
    assert (filled[HOLE] == 4).all()
    assert np.isnan(raw[HOLE]).all()
    outside = np.isfinite(raw)
    assert (raw[outside] == filled[outside]).all()
    assert np.isfinite(filled).sum() - outside.sum() == 50 * 100
    assert outside.sum() + 50 * 100 == (471 - 45) * (601 - 41)


def test_both_depths_are_of_the_same_samples_and_are_other_data(tmp_path: Path) -> None:
    official(tmp_path)
    one, two = (read_dataset("nyu", tmp_path, target) for target in ("depth", "raw_depth"))
    assert [split.digest for split in (one.train, one.val, one.test)] == [
        split.digest for split in (two.train, two.val, two.test)
    ]
    assert one.digest != two.digest
    assert one.rule == "nyu 1: official train less a tenth by scene / that / test; depth to 10 m inside Eigen's crop"
    assert "raw depth" in two.rule


def test_raw_depth_is_measured_as_depth_is() -> None:
    assert facts_of("nyu", "raw_depth") == facts_of("nyu", "depth")


def test_a_card_of_ones_own_asks_for_raw_depth(tmp_path: Path) -> None:
    card = yaml.safe_load((card_folder("tasks") / "nyu_depth.yaml").read_text())
    card |= {"name": "nyu_raw_depth", "target": "raw_depth", "extra": True}
    (tmp_path / "nyu_raw_depth.yaml").write_text(yaml.safe_dump(card))
    selection = select_tasks(str(tmp_path / "nyu_raw_depth.yaml"))
    (item,), _ = prepare(selection, Asked(data=official(tmp_path / "data"), protocol="quick").options())
    assert (item.source, item.dataset.counts["test"]) == ("real", 1)
    assert metric_of(item.task, "rmse", 0).unit == "m"


@pytest.mark.parametrize("raw", [None, (3, 640, 480), (4, 64, 48)])
def test_a_file_without_whole_raw_depth_is_an_error_that_names_it(tmp_path: Path, raw: tuple[int, ...] | None) -> None:
    official(tmp_path, raw)
    with pytest.raises(DataError, match="rawDepths"):
        read_dataset("nyu", tmp_path, "raw_depth")
    assert len(read_dataset("nyu", tmp_path, "depth").test) == 1


def test_the_sample_world_and_virbs_archive_have_no_raw_depth(tmp_path: Path) -> None:
    from virb.sample import ensure

    ensure(["nyu"], folder=tmp_path, size=0.05, workers=1)
    with pytest.raises(MissingData, match=r"nyu_depth_v2_labeled\.mat is not in"):
        read_dataset("nyu", tmp_path, "raw_depth")
