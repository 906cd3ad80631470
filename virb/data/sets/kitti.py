"""Data: KITTI scene flow 2015, optical flow from one frame to the next."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from virb.core.errors import DataError
from virb.core.types import Dataset
from virb.data.common import check_target, data_card, is_sample, make_pool
from virb.data.formats.png16 import kitti_flow_decode, read_png16
from virb.data.pixels import REMEDY, Sample, assemble, listing, refuse_incomplete, refuse_unpaired

_IDS = {"train": range(140), "val": range(140, 160), "test": range(160, 200)}
"""The owner's test frames have no public truth, so the 200 with truth are divided by their numbers."""


def read(folder: Path, target: str) -> Dataset:
    """Read `training/image_2/000000_{10,11}.png` and the flow between the two, `training/flow_occ/000000_10.png`.

    Which frames come from one drive is not known, so every pair stands for itself; neighbours may be consecutive.
    """
    check_target("kitti_flow", target, ("flow",))
    card = data_card("kitti_flow")
    flows = listing(folder / "training" / "flow_occ", r"(\d+)_10\.png")
    expected = [f"{number:06d}" for ids in _IDS.values() for number in ids]
    if not is_sample(folder):
        refuse_incomplete(card.title, flows, expected, "flow files", card.remedy)
    if unknown := sorted(set(flows) - set(expected)):
        raise DataError(f"{card.title}: {flows[unknown[0]]} has an unknown number", "000000 to 000199", card.remedy)
    pictures = listing(folder / "training" / "image_2", r"(\d+)_10\.png")
    shown = {name: file for name, file in pictures.items() if name in expected}
    refuse_unpaired(card.title, shown, flows, "flow", card.remedy)
    files = [f"{name}_{frame}.png" for name in flows for frame in (10, 11)]
    pool = make_pool("kitti_flow", folder / "training" / "image_2", files, card.remedy)
    truth = folder / "training" / "flow_occ"
    samples = [Sample(name, (f"{name}_10", f"{name}_11"), name, truth / file) for name, file in flows.items()]
    parts = {split: [sample for sample in samples if int(sample.name) in ids] for split, ids in _IDS.items()}
    return assemble(
        pool,
        parts,
        "flow",
        read_flow,
        rule="kitti_flow 1: training 0-139 / 140-159 / 160-199, flow_occ; every pair its own group",
    )


def read_flow(path: Path, row: int) -> np.ndarray:
    """Return flow [H,W,2] in pixels to the right and down, NaN where it was not measured."""
    stored = read_png16(path)
    if stored[:, :, 2].max(initial=0) > 1:
        raise DataError(f"{path} has {stored[:, :, 2].max()} where it says whether flow is known", "0 or 1", REMEDY)
    return kitti_flow_decode(stored)
