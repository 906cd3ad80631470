"""JSON of strangers: a key that stands twice is refused by name, wherever it is read."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import pytest
from honest import laid

from virb.core.npz import DamagedFile
from virb.core.paths import reference_folder
from virb.core.strict_json import read_json, read_model
from virb.records.load import load
from virb.records.published import read_references
from virb.records.record import Record, record_folder
from virb.submit.container import BundleError
from virb.submit.heads import check_form


@pytest.mark.parametrize("text", ['{"a": 1, "a": 1}', '[{"b": {"a": 1, "c": 2, "a": 3}}]', '{"a": 1, "\\u0061": 2}'])
def test_a_key_that_stands_twice_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="the key 'a' stands twice in one place"):
        read_json(text)


def test_the_same_key_in_several_places_is_none_too_many() -> None:
    assert read_json('{"a": {"a": 1}, "b": [{"a": 2}, {"a": 3}]}') == {"a": {"a": 1}, "b": [{"a": 2}, {"a": 3}]}


def test_many_keys_are_looked_through_at_once_and_none_reaches_the_terminal() -> None:
    keys = ", ".join(f'"key{place}": 1' for place in range(200_000))
    with pytest.raises(ValueError, match="stands twice") as caught:
        read_json(f'{{{keys}, "\\u001b[31m{"x" * 500}": 1, "\\u001b[31m{"x" * 500}": 2}}')
    assert len(str(caught.value)) < 120
    assert "\x1b" not in str(caught.value)


def test_what_a_model_takes_and_a_parser_does_not_is_refused_too() -> None:
    """Or a number of many digits would hide a key that stands twice."""
    with pytest.raises((DamagedFile, ValueError)):
        read_model(Record, b'{"score": ' + b"1" * 5000 + b"}")


@pytest.mark.parametrize("place", ["score", "value", "seeds"])
def test_a_record_with_a_key_twice_is_named_and_left_out(tmp_path: Path, place: str) -> None:
    record = laid(tmp_path, "alpha", "dtd", 0.5)
    folder = record_folder(tmp_path, "alpha", record.encoder.fingerprint)
    (path,) = folder.glob("*.json")
    text = path.read_text()
    begin = text.index(f'"{place}":')
    value = json.JSONDecoder().raw_decode(text[begin + len(place) + 3 :].lstrip())[0]
    path.write_text(f'{text[:begin]}"{place}": {json.dumps(value)}, {text[begin:]}')
    results = load([tmp_path])
    assert not results.records
    assert f"the key '{place}' stands twice" in results.problems[0]


def test_published_numbers_with_a_key_twice_are_named_and_left_out(tmp_path: Path) -> None:
    shutil.copytree(reference_folder("paper2021"), tmp_path / "paper")
    path = next(iter(sorted((tmp_path / "paper").glob("*.json"))))
    path.write_text(path.read_text().replace("{", '{"protocol": "mine", ', 1))
    found, problems = read_references(tmp_path / "paper")
    assert len(found) == len(list((tmp_path / "paper").glob("*.json"))) - 1
    assert "the key 'protocol' stands twice" in problems[0]


def test_heads_with_a_tensor_twice_are_refused(tmp_path: Path) -> None:
    tensor = '"seed0.weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}'
    header = f"{{{tensor}, {tensor}}}".encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    with open(path, "rb") as stream, pytest.raises(BundleError, match="stands twice"):
        check_form(stream, path.stat().st_size, 1, path.name)
