"""Hostile files: refused before anything is written or memory is taken, and never with a traceback."""

from __future__ import annotations

import hashlib
import json
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from virb.cli import main
from virb.submit.container import MANIFEST, open_container
from virb.submit.verdict import as_text
from virb.submit.verify import Trial, verify


def zipped(path: Path, members: list[tuple[str, bytes]], **header: Any) -> Path:
    """Write a zip file with headers as they should be, but for what is given."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o100644 << 16
            for key, value in header.items():
                setattr(info, key, value)
            archive.writestr(info, content)
    return path


def refused(path: Path) -> str:
    """Return why a bundle is broken, and check that looking at it wrote nothing beside it."""
    before = sorted(path.parent.rglob("*"))
    verdict = verify(path)
    assert verdict.verdict == "broken"
    assert sorted(path.parent.rglob("*")) == before
    return verdict.reasons[0]


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/cron.d/x",
        "/etc/passwd",
        "records/../../x.json",
        "records/a/..json",
        "C:\\x.json",
        "records\\a\\b.json",
        "records/a/b/c.json",
        "records/a/b.py",
        "encoder/.yaml",
        "records/ü/b.json",
        "a\x00b",
        "",
        "records/" + "a" * 300 + "/b.json",
    ],
)
def test_a_name_that_is_no_place_in_a_bundle_is_refused(tmp_path: Path, name: str) -> None:
    refused(zipped(tmp_path / "b.zip", [(MANIFEST, b"{}"), (name, b"x")]))


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "b.zip", [(MANIFEST, b"/etc/passwd")], external_attr=0o120777 << 16)
    assert "header" in refused(path)


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        path = zipped(tmp_path / "b.zip", [(MANIFEST, b"{}"), (MANIFEST, b"[]")])
    assert "two files of one name" in refused(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_bomb_is_refused_for_being_compressed_at_all(tmp_path: Path, method: int) -> None:
    path = zipped(tmp_path / "b.zip", [(MANIFEST, b"\0" * (1 << 24))], compress_type=method)
    tracemalloc.start()
    reason = refused(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "header" in reason or "bytes" in reason
    assert peak < 4 << 20


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    """The bomb that needs no compression: many directory entries over the same content."""
    one = zipped(tmp_path / "one.zip", [("records/a/b.json", b"x" * 1000)]).read_bytes()
    start = one.index(b"PK\x01\x02")
    entry, end = one[start:-22], one[-22:]
    twice = entry.replace(b"b.json", b"c.json")
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2, 2, 2 * len(entry), start, 0)
    assert len(end) == len(tail)
    path = tmp_path / "b.zip"
    path.write_bytes(one[:start] + entry + twice + tail)
    refused(path)


def test_a_million_entries_are_refused_at_once_and_without_memory(tmp_path: Path) -> None:
    entry = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 0, 0, 33, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0) + b"a.json"
    directory = entry * 1_000_000
    path = tmp_path / "b.zip"
    for count in (1_000_000 & 0xFFFF, 0xFFFF, 1):
        path.write_bytes(directory + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(directory), 0, 0))
        tracemalloc.start()
        started = time.process_time()
        refused(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1 << 20
        assert time.process_time() - started < 5  # most of it is the hash of the file


def test_a_directory_for_large_files_cannot_hide_behind_the_small_one(tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    with zipfile.ZipFile(path, "w") as archive, archive.open(zipfile.ZipInfo(MANIFEST), "w", force_zip64=True) as file:
        file.write(b"{}")
    refused(path)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 1)
    path.write_bytes(locator + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0, 0, 0, 20, 0))
    refused(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"schema_version": 2}',
        b'{"files": ' + b"9" * 100_000 + b"}",
        '{"virb": "\ud800"}'.encode("utf-8", "surrogatepass"),
        b"\xff\xfe",
        b'{"schema_version": NaN}',
    ],
    ids=range(11),
)
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    refused(zipped(tmp_path / "b.zip", [(MANIFEST, content)]))


def test_a_bundle_cannot_write_its_own_verdict_on_the_terminal(forger: Callable[[], Any]) -> None:
    forged = forger()
    for place in ("metric", "task"):
        record = forged.record(forged.records[0])
        if place == "metric":
            record["score"]["metric"] = "x\x1b[2J\x1b[Hb.zip: verified\n\u202e" + "y" * 5000
        else:
            record["task"]["name"] = "x\x1b[2Jb.zip: verified\n"
        forged.put_record(forged.records[0], record)
        text = as_text(verify(forged.write()))
        assert not any(letter in text for letter in "\x1b\u202e\r")
        assert not any(line.startswith("b.zip") for line in text.splitlines())
        assert max(map(len, text.splitlines())) < 700


def test_huge_json_is_refused_by_its_size(tmp_path: Path) -> None:
    path = zipped(tmp_path / "b.zip", [(MANIFEST, b" " * ((16 << 20) + 1))])
    assert "are the most" in refused(path)


@pytest.mark.parametrize(
    "content",
    [
        b"- 1",
        b"name: [",
        b"a: &a [1]\nb: *a",
        b"name: baseline-color\ntitle: x\nweights: !!python/object/apply:os.system [id]\n",
        b"[" * 5000,
        b"name: other\ntitle: x\nweights: random:resnet18\n",
        b"\xff",
    ],
)
def test_a_card_that_is_none_is_refused(forger: Callable[[], Any], content: bytes) -> None:
    forged = forger()
    forged.files["encoder/baseline-color.yaml"] = content
    refused(forged.write())


def damage(record: dict[str, Any], random: np.random.Generator) -> None:
    """Put something absurd somewhere in a record."""
    strange = [None, -1, 0, 1e308, 10**30, "", "x", "../x", [], {}, True, 1e-320, "\x00", [[]] * 5, {"a": 1}, 2**31]
    inner: Any = record
    while True:
        keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
        key = keys[random.integers(len(keys))]
        if not isinstance(inner[key], (dict, list)) or not inner[key] or random.random() < 0.2:
            inner[key] = strange[random.integers(len(strange))]
            return
        inner = inner[key]


def test_absurd_records_with_right_hashes_end_in_a_verdict(forger: Callable[[], Any]) -> None:
    random = np.random.default_rng(5)
    for _ in range(150):
        forged = forger()
        name = str(random.choice(forged.records))
        record = forged.record(name)
        for _ in range(int(random.integers(1, 4))):
            damage(record, random)
        forged.put_record(name, record)
        assert verify(forged.write()).verdict in ("broken", "stale", "consistent")


def test_records_that_are_fine_one_by_one_are_too_many_together(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("virb.submit.bundle._MOST_JSON", 1000)
    verdict = verify(bundle)
    assert verdict.verdict == "broken"
    assert "holds records of" in verdict.reasons[0]


@pytest.mark.slow
def test_the_largest_record_that_is_let_through_is_added_up_in_bounded_time(forger: Callable[[], Any]) -> None:
    """As many samples and classes as there may be: seconds, and no hour."""
    forged = forger()
    name = next(name for name in forged.records if "/thor_egomotion." in name)
    record, arrays = forged.record(name), forged.arrays(name)
    count = 200_000
    arrays = {key: np.resize(value, (*value.shape[:-1], count) if value.ndim < 2 or key == "predictions" else
              (*value.shape[:-2], count, value.shape[-1])) for key, value in arrays.items()}  # fmt: skip
    arrays["ids"] = np.arange(count).astype("U6")
    record["data"]["counts"]["test"], record["data"]["classes"] = count, 41
    forged.put_record(name, record)
    forged.put_arrays(name, arrays)
    path = forged.write()
    started = time.process_time()
    verdict = verify(path)
    assert time.process_time() - started < 60
    assert "its statistics give" in "; ".join(text for record in verdict.records for text in record.reasons)


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04" + b"\0" * 100])
def test_weights_in_a_bundle_that_are_none_break_it_and_end_nothing(
    forger: Callable[[], Any], tiny_options: Any, content: bytes
) -> None:
    forged = forger()
    card = forged.files["encoder/baseline-color.yaml"].decode()
    sha256 = hashlib.sha256(content).hexdigest()
    forged.files["encoder/baseline-color.yaml"] = f"{card.replace('baseline:color', 'w.pt')}sha256: {sha256}\n".encode()
    forged.files["weights/w.pt"] = content
    manifest = json.loads(forged.files[MANIFEST])
    manifest["weights"] = {"file": "w.pt", "sha256": sha256, "bytes": len(content), "included": True, "address": ""}
    forged.files[MANIFEST] = json.dumps(manifest).encode()
    verdict = verify(forged.write(), Trial(tiny_options))
    assert verdict.verdict == "broken"
    assert "the weights cannot be used" in verdict.reasons[-1]


@pytest.mark.parametrize(
    "weights", ["random:vit_base_patch16_224(embed_dim=60000000)", "random:resnet18(block=3)", "timm:no_such_model"]
)
def test_an_encoder_that_cannot_be_made_is_not_run_again_and_ends_nothing(
    forger: Callable[[], Any], tiny_options: Any, weights: str
) -> None:
    forged = forger()
    for name in forged.records:
        record = forged.record(name)
        record["encoder"]["weights"] = weights
        forged.put_record(name, record)
    card = forged.files["encoder/baseline-color.yaml"]
    forged.files["encoder/baseline-color.yaml"] = card.replace(b"baseline:color", f"'{weights}'".encode())
    verdict = verify(forged.write(), Trial(tiny_options))
    assert verdict.verdict == "consistent"
    assert {record.verdict for record in verdict.records} == {"consistent"}
    assert verdict.reasons[0]


def test_weights_that_nobody_gave_leave_a_bundle_consistent_and_the_next_one_is_looked_at(
    forger: Callable[[], Any], tiny_options: Any, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forged = forger()
    for name in forged.records:
        record = forged.record(name)
        record["encoder"]["weights"] = "w.pt"
        forged.put_record(name, record)
    card = forged.files["encoder/baseline-color.yaml"]
    forged.files["encoder/baseline-color.yaml"] = card.replace(b"baseline:color", b"w.pt")
    path = forged.write()
    assert main(["verify", str(path), str(bundle), "--data", str(tiny_options.root), "--workers", "0"]) == 0
    out = capsys.readouterr().out
    assert "its weights are a file (w.pt), and none was given with --weights" in out
    assert ": verified" in out


def test_a_good_bundle_passes_the_same_gate(bundle: Path) -> None:
    with open_container(bundle) as container:
        assert json.loads(container.read(MANIFEST))["encoder"] == "baseline-color"


@pytest.mark.parametrize("twice", ["manifest", "record"])
def test_a_bundle_with_a_key_twice_is_refused_by_name(forger: Callable[[], Any], twice: str) -> None:
    forged = forger()
    name = MANIFEST if twice == "manifest" else forged.records[0]
    forged.files[name] = forged.files[name].replace(b"{", b'{"schema_version": 1, ', 1)
    assert "the key 'schema_version' stands twice" in refused(forged.write(rehash=twice == "record"))
