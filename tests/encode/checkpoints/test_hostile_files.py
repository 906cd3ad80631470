"""Checkpoints: what strangers write into files never runs, never hangs, and takes no memory beyond the file's size."""

from __future__ import annotations

import builtins
import io
import json
import os
import pickle
import random
import struct
import subprocess
import sys
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from authors import noise, optimiser, resnet, saved, vit
from authors_resnets import moco_v1_v2, old_pickle, torchscript
from authors_vits import dino
from safetensors.torch import save_file

from virb.cards.encoder_names import encoder_card
from virb.core.errors import CheckpointError
from virb.encode.checkpoints.safe import read_contents
from virb.encode.load import load_encoder


class Calls:
    """Pickles into a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


def trap(place: Path, kind: str) -> Any:
    """Return what would make a file at `place` if anything ran."""
    return {
        "os.system": Calls(os.system, f"touch {place}"),
        "eval": Calls(builtins.eval, f"open({str(place)!r}, 'w')"),
        "exec": Calls(builtins.exec, f"open({str(place)!r}, 'w')"),
        "getattr": Calls(getattr, Path(place), "touch"),
        "nested load": Calls(torch.load, str(place)),
        "load from bytes": Calls(torch.storage._load_from_bytes, b"\x80\x02."),
    }[kind]


NESTS: dict[str, Callable[[Any, dict[str, torch.Tensor]], Any]] = {
    "itself": lambda bad, state: bad,
    "beside the state dict": lambda bad, state: {"state_dict": state, "args": bad},
    "as the state dict": lambda bad, state: {"state_dict": bad},
    "as a tensor": lambda bad, state: {**state, "conv1.weight": bad},
    "deep in a teacher": lambda bad, state: {"teacher": {"backbone": [state, {"x": (1, bad)}]}},
    "as a key": lambda bad, state: {"state_dict": state, ("a", bad): 1},
    "in VISSL": lambda bad, state: {"classy_state_dict": {"base_model": {"model": {"trunk": state, "heads": bad}}}},
}


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("nest", NESTS)
@pytest.mark.parametrize("kind", ["os.system", "eval", "exec", "getattr", "nested load", "load from bytes"])
def test_code_in_any_container_is_refused_by_its_name_and_never_runs(
    tmp_path: Path, kind: str, nest: str, zipped: bool
) -> None:
    place = tmp_path / "sprung"
    state = {"conv1.weight": noise(64, 3, 7, 7)}
    path = tmp_path / "weights.pt"
    torch.save(NESTS[nest](trap(place, kind), state), path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match="which is code and is never run") as caught:
        load_encoder(encoder_card(str(path)))
    assert any(word in caught.value.found for word in ("system", "eval", "exec", "getattr", "load"))
    assert "re-save" in caught.value.remedy
    assert not place.exists()


def test_a_plain_pickle_and_a_whole_pickled_model_are_refused_by_name(tmp_path: Path) -> None:
    with open(tmp_path / "plain.pkl", "wb") as stream:
        pickle.dump({"a": Calls(os.system, "true")}, stream, protocol=4)
    torch.save(resnet(), tmp_path / "model.pt")
    for name, word in (("plain.pkl", r"posix\.system"), ("model.pt", r"torchvision\.models\.resnet\.ResNet")):
        with pytest.raises(CheckpointError, match=word):
            read_contents(tmp_path / name)


@pytest.mark.parametrize("write", [moco_v1_v2, old_pickle, torchscript])
def test_our_reader_and_torchs_own_give_the_same_tensors(
    tmp_path: Path, write: Callable[[Path, dict[str, torch.Tensor]], Path]
) -> None:
    path = write(tmp_path / "weights.pt", dict(resnet().state_dict()))
    ours = read_contents(path).tensors
    if write is torchscript:
        theirs = dict(torch.jit.load(str(path)).state_dict())
    else:
        whole = torch.load(path, weights_only=True)
        theirs = {f"state_dict.{key}": value for key, value in whole["state_dict"].items()}
    assert len(theirs) > 100
    for name, value in theirs.items():
        assert torch.equal(ours[name].read(), value), name


def test_views_strides_offsets_and_every_type_are_read_as_torch_does(tmp_path: Path) -> None:
    base = torch.arange(60).reshape(3, 4, 5)
    state: dict[str, Any] = {
        "turned": base.float().permute(2, 0, 1),
        "part": base.double()[1:, ::2, 3],
        "one": torch.tensor(3.5),
        "none": torch.empty(0, 4),
        "parameter": torch.nn.Parameter(torch.ones(3)),
        "eighth": torch.ones(4).to(torch.float8_e4m3fn),
    }
    state |= {str(kind): base.to(kind) for kind in (torch.int16, torch.uint8, torch.bool, torch.bfloat16, torch.half)}
    state["beside"] = [np.float64(1.5), np.arange(3), np.dtype("f4"), {1, 2}, torch.Size([1]), torch.device("cpu")]
    torch.save({"model": state, "optimizer": optimiser()}, tmp_path / "weights.pt")
    ours = read_contents(tmp_path / "weights.pt").tensors
    for name, value in state.items():
        if isinstance(value, torch.Tensor):
            read = ours[f"model.{name}"].read()
            assert read.dtype == value.dtype
            assert torch.equal(read.float(), value.detach().float()), name


def repacked(path: Path, change: Callable[[str, bytes], bytes], method: int = zipfile.ZIP_STORED) -> Path:
    """Write torch's archive again with some entries changed."""
    with zipfile.ZipFile(path) as archive:
        entries = [(info.filename, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, change(name, content))
    return path


def small_file(path: Path) -> Path:
    return saved(path, {"conv1.weight": torch.zeros(16), "bn1.weight": torch.zeros(16)})


def test_a_compressed_archive_is_refused_before_it_grows(tmp_path: Path) -> None:
    path = saved(tmp_path / "bomb.pt", {"conv1.weight": torch.zeros(1 << 20)})
    repacked(path, lambda name, content: content, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    with pytest.raises(CheckpointError, match="compressed"):
        read_contents(path)


HUGE = struct.pack("<i", 2**31 - 1)


@pytest.mark.parametrize(
    ("found", "put", "words"),
    [
        (b"K\x10", b"J" + HUGE, "larger than|more than the file has"),
        (b"K\x10\x85", b"\x8a\x06" + (10**12).to_bytes(6, "little") + b"\x85", "larger than|more than the file has"),
        (b"K\x10\x85", b"J\xff\xff\xff\xff\x85", "impossible shape"),
        (b"K\x10\x85", b"\x8a\x50" + b"\x7f" * 80 + b"\x85", "more than 256 bits"),
    ],
    ids=["int32", "10^12", "negative", "integer of 640 bits"],
)
def test_a_small_file_that_declares_much_is_refused_before_memory_is_taken(
    tmp_path: Path, found: bytes, put: bytes, words: str
) -> None:
    path = repacked(
        small_file(tmp_path / "weights.pt"),
        lambda name, content: content.replace(found, put) if name.endswith("data.pkl") else content,
    )
    tracemalloc.start()
    with pytest.raises(CheckpointError, match=words):
        read_contents(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_a_tensor_that_repeats_one_number_without_end_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "weights.pt", {"conv1.weight": torch.zeros(1).expand(10**9, 10**3)})
    with pytest.raises(CheckpointError, match="larger than what the file holds"):
        read_contents(path)


@pytest.mark.parametrize(
    "header",
    [
        {"conv1.weight": {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 16]}},
        {"conv1.weight": {"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]}},
        {"conv1.weight": {"dtype": "F32", "shape": [4], "data_offsets": [0, 10**15]}},
        {"conv1.weight": {"dtype": "X99", "shape": [4], "data_offsets": [0, 16]}},
        {"conv1.weight": 3},
    ],
)
def test_a_safetensors_header_that_lies_is_refused(tmp_path: Path, header: dict[str, Any]) -> None:
    text = json.dumps(header).encode()
    path = tmp_path / "weights.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(16))
    with pytest.raises(CheckpointError, match="header is broken"):
        read_contents(path)
    path.write_bytes(struct.pack("<Q", 1 << 60) + text)
    with pytest.raises(CheckpointError, match="header is broken"):
        read_contents(path)


@pytest.mark.parametrize("shard", ["../secret.safetensors", "/etc/passwd", "a\\b", "", "..", "gone.safetensors"])
def test_an_index_never_leads_out_of_its_folder(tmp_path: Path, shard: str) -> None:
    save_file({"conv1.weight": noise(4)}, tmp_path / "secret.safetensors")
    folder = tmp_path / "model"
    folder.mkdir()
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"conv1.weight": shard}}))
    with pytest.raises(CheckpointError, match=r"does not lie beside it|is not there"):
        read_contents(index)


def test_nests_and_loops_end(tmp_path: Path) -> None:
    loop: dict[str, Any] = {"conv1.weight": noise(4)}
    loop["self"] = loop
    deep: Any = {"conv1.weight": noise(4)}
    for _ in range(300):
        deep = {"x": deep}
    wide: Any = [noise(2)]
    for _ in range(60):
        wide = [wide, wide]
    for number, content in enumerate((loop, {"deep": deep, "b": noise(2)}, {"wide": wide, "b": noise(2)})):
        path = saved(tmp_path / f"{number}.pt", content)
        started = time.process_time()
        assert read_contents(path).tensors
        assert time.process_time() - started < 5


def test_a_pickle_of_endless_lists_is_cut(tmp_path: Path) -> None:
    path = repacked(
        small_file(tmp_path / "weights.pt"),
        lambda name, content: b"\x80\x02" + b"K\x01" * 3_000_000 + b"." if name.endswith("data.pkl") else content,
    )
    with pytest.raises(CheckpointError):
        read_contents(path)


def tiny_files(folder: Path) -> list[Path]:
    """Return small valid files of every container."""
    torch.manual_seed(2)
    options = {"embed_dim": 64, "depth": 2, "num_heads": 1, "img_size": 32, "num_classes": 0}
    state = dict(timm.create_model("vit_tiny_patch16_224", **options).state_dict())
    save_file(state, folder / "a.safetensors")
    return [
        saved(folder / "b.pth", {"state_dict": state, "epoch": 3}),
        saved(folder / "c.pth", {"model": state}, _use_new_zipfile_serialization=False),
        folder / "a.safetensors",
    ]


def spoiled(content: bytes, draw: random.Random) -> bytes:
    """Return a file cut short, or with some bits turned; heads and directories are hit as often as numbers."""
    if draw.random() < 0.3:
        return content[: draw.randrange(len(content))]
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 4, 32))):
        end = draw.choice((len(content), 4000))
        place = draw.randrange(min(end, len(content)))
        changed[place if draw.random() < 0.6 else len(content) - 1 - place] ^= 1 << draw.randrange(8)
    return bytes(changed)


@pytest.mark.slow
def test_five_hundred_spoiled_files_give_a_clear_error_or_another_fingerprint(tmp_path: Path) -> None:
    draw = random.Random(5)
    files = tiny_files(tmp_path)
    whole = {path: load_encoder(encoder_card(str(path))) for path in files}
    outcomes = {"refused": 0, "another": 0, "same": 0}
    tracemalloc.start()
    for number in range(500):
        original = files[number % len(files)]
        content = original.read_bytes()
        path = tmp_path / f"spoiled{original.suffix}"
        path.write_bytes(spoiled(content, draw))
        tracemalloc.reset_peak()
        before, started = tracemalloc.get_traced_memory()[0], time.process_time()
        try:
            encoder = load_encoder(encoder_card(str(path)))
        except CheckpointError:  # in three parts, as its class demands; anything else fails this test
            outcomes["refused"] += 1
        else:
            same = encoder.fingerprint == whole[original].fingerprint
            outcomes["same" if same else "another"] += 1
            assert not any(value.isnan().any() for value in encoder.state_dict().values())
            if same:  # the spoiled bytes were none of its numbers
                ours, theirs = encoder.state_dict(), whole[original].state_dict()
                assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
        assert time.process_time() - started < 10
        assert tracemalloc.get_traced_memory()[1] - before < 2 * len(content) + (1 << 20)
    tracemalloc.stop()
    assert outcomes["refused"] > 100
    assert outcomes["another"] > 20


MEASURED = """
import sys
from virb.encode.load import load_encoder
from virb.cards.encoder_names import encoder_card
def memory(name):  # not getrusage's, whose peak starts at that of the process which forked this one
    return int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith(name)))
small, large = sys.argv[1:]
load_encoder(encoder_card(small))  # what code and libraries take is there before
held = memory("VmRSS")
load_encoder(encoder_card(large))
print(memory("VmHWM") - held)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process as Linux tells it")
@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_a_process_that_loads_a_file_never_holds_twice_its_size(tmp_path: Path, kind: str) -> None:
    for name in ("resnet18", "resnet152"):
        state = timm.create_model(name, num_classes=0).state_dict()
        if kind == "safetensors":
            save_file(state, tmp_path / name)
        else:
            saved(tmp_path / name, {"model": state}, _use_new_zipfile_serialization=kind == "zip")
    files = [str(tmp_path / name) for name in ("resnet18", "resnet152")]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *files], capture_output=True, text=True, check=True, timeout=300
    )
    grown, size = int(done.stdout) * 1024, (tmp_path / "resnet152").stat().st_size
    print(f"{kind}: {grown / size:.2f} times the file of {size >> 20} MiB")
    assert size * 0.5 < grown < 2 * size


def test_a_damaged_number_in_torchs_archive_is_found_by_its_checksum(tmp_path: Path) -> None:
    path = dino(tmp_path / "weights.pth", dict(vit().state_dict()))
    stored = read_contents(path).tensors["teacher.backbone.blocks.5.mlp.fc1.weight"]
    place = path.read_bytes().find(stored.read().numpy().tobytes())
    assert place > 0
    with open(path, "r+b") as stream:
        stream.seek(place + 100)
        byte = stream.read(1)
        stream.seek(place + 100)
        stream.write(bytes([byte[0] ^ 1]))
    with pytest.raises(CheckpointError, match="checksum"):
        load_encoder(encoder_card(str(path)))


def test_a_pickle_in_memory_is_never_asked_for_more_than_it_has() -> None:
    from virb.core.pickles import Budget
    from virb.encode.checkpoints.machine import NotRead, read_pickle

    for content in (
        b"",
        b"\x80\x02",
        b"\x80\x02]",
        b"\x80\x02X\xff\xff\xff\x7fabc.",
        b"\x80\x05\x96" + b"\xff" * 8 + b".",
    ):
        with pytest.raises(NotRead):
            read_pickle(io.BytesIO(content), Budget(1_000))
