"""Checkpoints: a file is one file; what torch's reader would take for another than ours is refused."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hostile import safetensors

from virb.core.errors import CheckpointError
from virb.encode.checkpoints.safe import read_contents

Change = Callable[[bytes], bytes]


def archive(number: float, zipped: bool = True) -> bytes:
    made = io.BytesIO()
    torch.save({"conv1.weight": torch.full((4,), number)}, made, _use_new_zipfile_serialization=zipped)
    return made.getvalue()


def first(path: Path) -> float:
    return float(read_contents(path).tensors["conv1.weight"].read()[0])


def test_two_archives_of_which_torch_reads_the_first_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(archive(1) + archive(2))
    assert torch.load(path, weights_only=True)["conv1.weight"][0] == 1
    with pytest.raises(CheckpointError, match="no archive, or more than one"):
        read_contents(path)
    for number in (1, 2):
        path.write_bytes(archive(number))
        assert first(path) == number


def entries(content: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(content)) as whole:
        return [(info.filename, whole.read(info)) for info in whole.infolist()]


def packed(parts: list[tuple[str, bytes]]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as whole:
        for name, content in parts:
            whole.writestr(name, content)
    return made.getvalue()


def in_directory(content: bytes, name: str, put: str) -> bytes:
    """Rename an entry in the directory of an archive only."""
    place = content.rindex(name.encode())
    return content[:place] + put.encode() + content[place + len(name) :]


def moved(content: bytes, distance: int) -> bytes:
    """Put bytes before an archive and correct what counts from the beginning, as programs that unpack themselves do."""
    with zipfile.ZipFile(io.BytesIO(content)) as whole:
        starts, directory = [info.header_offset for info in whole.infolist()], whole.start_dir
    made, place = bytearray(content), directory
    for start in starts:
        struct.pack_into("<L", made, place + 42, start + distance)
        place += 46 + sum(struct.unpack("<3H", made[place + 28 : place + 34]))
    struct.pack_into("<L", made, len(made) - 6, directory + distance)
    return bytes(distance) + bytes(made)


def doubled(content: bytes, name: str) -> bytes:
    return packed([*entries(content), (name, b"another")])


SPOILT: dict[str, Change] = {
    "bytes behind": lambda whole: whole + b"more",
    "a comment": lambda whole: whole[:-2] + b"\x04\x00more",
    "bytes before": lambda whole: b"PK\x03\x04more" + whole,
    "bytes before that it knows of": lambda whole: b"PK\x03\x04" + moved(packed(entries(whole)), 40)[4:],
    "a name that only the directory has": lambda whole: in_directory(whole, "archive/version", "archive/versiom"),
    "numbers that only the directory has": lambda whole: in_directory(whole, "archive/data/0", "archive/data/1"),
    "a name in capitals": lambda whole: doubled(whole, "archive/DATA/0"),
    "a second folder": lambda whole: doubled(whole, "other/version"),
    "a name with NUL": lambda whole: doubled(whole, "archive/xyz").replace(b"archive/xyz", b"archive/x\0z"),
    "a name of NUL": lambda whole: doubled(whole, "a").replace(b"\0\0\0a", b"\0\0\0\0"),
    "fewer entries than there are": lambda whole: whole[:-14] + struct.pack("<HH", 1, 1) + whole[-10:],
    "another checksum in its own header": lambda whole: (
        packed(entries(whole))[:14] + b"\0\0\0\0" + packed(entries(whole))[18:]
    ),
    "an archive inside an entry": lambda whole: packed([*entries(whole), ("archive/x", b"")])[:-22] + archive(2),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_an_archive_with_anything_beside_itself_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(SPOILT[kind](archive(1)))
    with pytest.raises(CheckpointError, match="archive"):
        read_contents(path)


def test_an_archive_that_pythons_own_writer_made_is_read(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(packed(entries(archive(3))))
    assert first(path) == 3


def test_an_old_file_with_an_archive_behind_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(archive(1, zipped=False) + archive(2))
    with pytest.raises(CheckpointError, match="more than one file"):
        read_contents(path)
    path.write_bytes(archive(1, zipped=False))
    assert first(path) == 1


def test_a_safetensors_header_with_a_name_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    parts = [json.dumps({"dtype": "F32", "shape": [4], "data_offsets": [0, 16]})] * 2
    path.write_bytes(safetensors(f'{{"conv1.weight":{parts[0]},"conv1.weight":{parts[1]}}}'.encode(), 16))
    with pytest.raises(CheckpointError, match=r"twice|header is broken"):
        read_contents(path)
