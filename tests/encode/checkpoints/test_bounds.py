"""Checkpoints: what a small file can ask for, in steps, names and numbers, is bounded and told in a few words."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import hostile
import pytest
import timm
import torch
from authors import saved
from fuzzing import beyond_bounds, read_apart
from hostile_run import EMPTIES

from virb.core.errors import CheckpointError
from virb.encode.checkpoints.safe import read_contents
from virb.encode.checkpoints.understand import Request, recognise
from virb.encode.checkpoints.vits import Hints, infer_vit

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process as Linux tells it")
QUICK = [
    *(name for name in hostile.PICKLES if name.endswith("for ever")),
    "a dictionary copied many times",
    "a state put into an object many times",
    "one long name around many",
    "many names with dots",
]


def read_all(folder: Path, names: list[str]) -> None:
    rows = read_apart(folder, *names)
    assert len(rows) == 2 * len(names) - names.count(EMPTIES)
    assert beyond_bounds(rows) == []
    assert {row["outcome"] for row in rows} == {"refused"}


@linux
def test_files_that_would_never_end_or_take_all_memory_are_refused(tmp_path: Path) -> None:
    read_all(tmp_path, QUICK)


@pytest.mark.slow
@linux
def test_files_of_megabytes_at_the_edge_of_every_bound_end_soon_and_in_little_memory(tmp_path: Path) -> None:
    read_all(tmp_path, [EMPTIES, *(name for name in hostile.PICKLES if name not in QUICK)])


def test_a_long_name_and_too_many_names_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    part = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    path.write_bytes(hostile.safetensors({"a" * 1001: part}))
    with pytest.raises(CheckpointError, match="more than 1,000 letters"):
        read_contents(path)
    path.write_bytes(hostile.many_empty(20_001))
    with pytest.raises(CheckpointError, match="more than 20,000 tensors"):
        read_contents(path)
    path.write_bytes(hostile.many_empty(20_000))
    assert len(read_contents(path).tensors) == 20_000


@pytest.mark.parametrize("shape", [[1 << 61, 0], [0, 1 << 40, 1 << 40], [1] * 33])
def test_a_shape_that_no_tensor_has_is_refused_though_the_tensor_is_empty(tmp_path: Path, shape: list[int]) -> None:
    size = 0 if 0 in shape else 4
    path = tmp_path / "weights.safetensors"
    path.write_bytes(hostile.safetensors({"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}}, size))
    with pytest.raises(CheckpointError, match=r"impossible shape|header is broken"):
        read_contents(path)


def test_a_safetensors_header_of_many_megabytes_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    with open(path, "wb") as stream:
        stream.write(struct.pack("<Q", 17 << 20) + b"{")
        stream.truncate(18 << 20)
    with pytest.raises(CheckpointError, match="header is larger"):
        read_contents(path)


@linux
def test_tensors_that_share_a_storage_do_not_read_all_of_it_each(tmp_path: Path) -> None:
    whole = torch.arange(1 << 18, dtype=torch.float32)
    state = {f"part{place}": whole[place * 4 : place * 4 + 4] for place in range(500)}
    path = saved(tmp_path / "weights.pt", state)
    contents = read_contents(path)

    def read() -> int:
        return int(Path("/proc/self/io").read_text().split()[1])

    before = read()
    for name, stored in contents.tensors.items():
        assert torch.equal(stored.read(), state[name])
    assert read() - before < 3 * path.stat().st_size


def test_a_shared_storage_that_is_damaged_is_found_though_a_part_is_read(tmp_path: Path) -> None:
    whole = torch.arange(1000, dtype=torch.float32)
    path = saved(tmp_path / "weights.pt", {"a": whole[:4], "b": whole[500:504]})
    content = bytearray(path.read_bytes())
    content[content.find(whole.numpy().tobytes()) + 3000] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="checksum"):
        read_contents(path).tensors["a"].read()


def test_a_transformer_of_one_size_is_not_built_for_pictures_of_thousands_of_pixels() -> None:
    with torch.device("meta"):
        shapes = {
            name: tuple(tensor.shape)
            for name, tensor in timm.create_model("beit_base_patch16_224").state_dict().items()
        }
    assert infer_vit(shapes, Hints()) is not None
    tables = {name: ((2 * 200 - 1) ** 2 + 3, 12) for name in shapes if name.endswith("relative_position_bias_table")}
    assert infer_vit(shapes | tables, Hints()) is None


def test_the_name_of_a_lost_tensor_is_told_among_thousands_of_others(tmp_path: Path) -> None:
    state = dict(timm.create_model("resnet18", num_classes=0).state_dict())
    del state["layer3.1.conv2.weight"]
    beside = {f"module.queue{place}.{place % 997}.weight": torch.zeros(1) for place in range(3000)}
    path = saved(tmp_path / "weights.pt", {f"module.{name}": value for name, value in state.items()} | beside)
    understood = recognise(path, read_contents(path), Request())
    assert understood.matching.missing == ["layer3.1.conv2.weight"]
    assert understood.describe("layer3.1.conv2.weight") == "layer3.1.conv2.weight"
