"""Records: keys that say what compares, and files that are whole or not there."""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from record_facts import FINGERPRINT, RESUME, facts, files, folder, key, names, protocol, record, task

from virb.core import paths
from virb.core.errors import OutputError, VirbError
from virb.records.record import (
    FileFacts,
    beside,
    finished,
    number,
    pack_arrays,
    read_all,
    read_record,
    resume_key,
    write,
)

# --- comparison key ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"task": task(title="Reworded")},
        {"task": task(paper="Another", licence="closed", split="in other words", open=True)},
        {"protocol": protocol(title="Reworded")},
    ],
    ids=["task title", "other words", "protocol title"],
)
def test_rewording_a_card_leaves_the_comparison_key_alone(changes: dict[str, Any]) -> None:
    assert key(**changes) == key()


TELLING: dict[str, dict[str, Any]] = {
    "task name": {"task": task(name="other")},
    "task version": {"task": task(version=2)},
    "metric": {"task": task(metric="mean_per_class")},
    "data set": {"task": task(dataset="other")},
    "target": {"task": task(target="other")},
    "head": {"task": task(head="frames", frames=2)},
    "geometry": {"task": task().model_copy(update={"geometry": "crop"})},
    "protocol name": {"protocol": protocol(name="other")},
    "protocol version": {"protocol": protocol(version=2)},
    "protocol size": {"protocol": protocol(size=224)},
    "choice": {"protocol": protocol({"learning_rates": (0.001,)}, choice="none")},
    "rates": {"protocol": protocol({"learning_rates": (0.001,)})},
    "order of rates": {"protocol": protocol({"learning_rates": (0.01, 0.001)})},
    "decays": {"protocol": protocol({"weight_decays": (0.0, 0.01)})},
    "standardise": {"protocol": protocol({"standardise": (False, True)})},
    "epochs": {"protocol": protocol({"epochs": 31})},
    "batch": {"protocol": protocol({"batch": 32})},
    "schedule": {"protocol": protocol({"schedule": "constant"})},
    "optimiser": {"protocol": protocol({"optimiser": "adam"})},
    "seeds": {"protocol": protocol({"seeds": 1})},
    "data": {"data": "f" * 32},
    "source": {"source": "sample"},
    "limit": {"limit": 100},
    "another limit": {"limit": 99},
}


def test_whatever_changes_the_number_changes_the_comparison_key() -> None:
    found = {name: key(**changes) for name, changes in TELLING.items()} | {"plain": key()}
    doubled = {one for one in found for two in found if one != two and found[one] == found[two]}
    assert not doubled


def test_a_comparison_key_is_the_same_in_every_process() -> None:
    assert key() == key(task=task(), protocol=protocol())
    assert len(key()) == 32


def test_published_numbers_are_part_of_the_comparison_where_the_protocol_trains_with_them() -> None:
    """Under `published: true` the card's epochs, batch and rate are the training, as the grid is elsewhere."""
    as_published = protocol({"learning_rates": (0.0001,), "seeds": 1}, choice="none", published=True)
    longer = task(published={"epochs": 500, "batch": 32, "learning_rate": 0.0001, "comparable": True})
    assert as_published.training(longer) != as_published.training(task())
    assert key(task=longer, protocol=as_published) != key(protocol=as_published)


def test_published_numbers_are_no_part_of_the_comparison_elsewhere() -> None:
    longer = task(published={"epochs": 500, "batch": 32, "learning_rate": 0.0001, "comparable": True})
    assert key(task=longer) == key()


# --- resume key ----------------------------------------------------------------------------------------------------


def resume(**changes: Any) -> str:
    given: dict[str, Any] = {
        "comparison": key(),
        "fingerprint": FINGERPRINT,
        "training": protocol().image.model_dump(mode="json"),
        "numerics": {"device": "cpu", "precision": "float32", "folded": True, "chunk": 64},
        "head_version": 1,
    }
    return resume_key(**(given | changes))


def test_a_resume_key_follows_everything_that_makes_the_number() -> None:
    training = protocol().image.model_dump(mode="json")
    numerics = {"device": "cpu", "precision": "float32", "folded": True, "chunk": 64}
    others = [
        resume(comparison=key(limit=5)),
        resume(fingerprint="0" * 32),
        resume(training={**training, "seeds": 1}),
        resume(training={**training, "epochs": 2}),
        resume(numerics={**numerics, "precision": "bfloat16"}),
        resume(numerics={**numerics, "device": "cuda"}),
        resume(numerics={**numerics, "chunk": 32}),
        resume(head_version=2),
    ]
    assert len({resume(), *others}) == len(others) + 1


def test_a_resume_key_does_not_follow_key_order_or_tuples() -> None:
    training = protocol().image.model_dump(mode="python")
    assert resume(training=dict(reversed(training.items()))) == resume()


def test_a_record_lies_where_the_design_says(tmp_path: Path) -> None:
    path = write(record(), tmp_path, files())
    assert path == tmp_path / "records" / "resnet-fedcba98" / "textures.quick.01234567.json"
    assert names(tmp_path) == {"textures.quick.01234567.json", "textures.quick.01234567.npz"}


# --- packing ---------------------------------------------------------------------------------------------------------


def arrays() -> dict[str, np.ndarray]:
    return {
        "ids": np.array(["banded/banded_0001", "ü"]),
        "statistics.top1": np.arange(12, dtype=np.float32).reshape(2, 3, 2)[:, ::-1],
        "targets": np.array([3, 1], dtype=np.int32),
        "none": np.zeros((0, 4)),
    }


def test_packed_arrays_are_the_same_bytes_at_any_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    first = pack_arrays(arrays())
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 90_000_000)
    assert pack_arrays(arrays()) == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_numpy_reads_packed_arrays_without_pickle() -> None:
    with np.load(io.BytesIO(pack_arrays(arrays())), allow_pickle=False) as archive:
        assert archive.files == list(arrays())
        for name, array in arrays().items():
            np.testing.assert_array_equal(archive[name], array)
            assert archive[name].dtype == array.dtype


def test_arrays_that_would_need_pickle_are_refused() -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        pack_arrays({"ids": np.array(["a", None], dtype=object)})


def test_a_file_beside_a_record_is_known_by_its_hash() -> None:
    assert beside("a.npz", b"abc") == FileFacts(file="a.npz", sha256=hashlib.sha256(b"abc").hexdigest())


# --- reading and writing ----------------------------------------------------------------------------------------------


def test_a_record_comes_back_from_its_file_as_it_went_in(tmp_path: Path) -> None:
    assert read_record(write(record(), tmp_path, files())) == record()
    assert record().score.value == 1 / 3, "to the last digit"


def test_a_record_is_json_that_others_can_read(tmp_path: Path) -> None:
    content = json.loads(write(record(), tmp_path, files()).read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert content["score"]["value"] == 1 / 3
    assert content["curves"]["val_loss"] == [None, 2.0]
    assert content["encoder"]["title"] == "ResNet – größer"


def test_what_is_no_finite_number_has_no_value() -> None:
    assert number(float("nan")) is number(float("inf")) is number(-float("inf")) is None
    assert number(0.25) == 0.25


def test_the_record_is_written_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    real = os.replace

    def replace(source: Path, target: Path) -> None:
        order.append(Path(target).suffix)
        real(source, target)

    monkeypatch.setattr(paths.os, "replace", replace)
    write(record(), tmp_path, {**files(), "textures.quick.01234567.safetensors": b"heads"})
    assert len(order) == 3
    assert order[-1] == ".json"


def fail_at(call: int, error: BaseException) -> Callable[[Path, Path], None]:
    """Return an `os.replace` that dies when it is called for the nth time."""
    real, calls = os.replace, iter(range(1, 100))

    def replace(source: Path, target: Path) -> None:
        if next(calls) == call:
            raise error
        real(source, target)

    return replace


@pytest.mark.parametrize("call", [1, 2])
def test_a_crash_leaves_no_new_record_and_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    monkeypatch.setattr(paths.os, "replace", fail_at(call, OSError(28, "No space left on device")))
    with pytest.raises(OutputError, match="No space left"):
        write(record(), tmp_path, files())
    assert read_all(tmp_path) == ([], [])
    assert names(tmp_path) == set(files() if call == 2 else ())


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_crash_at_the_record_leaves_the_old_one_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    write(record(), tmp_path, files())
    monkeypatch.setattr(paths.os, "replace", fail_at(2, error))
    with pytest.raises((OutputError, KeyboardInterrupt)):
        write(record(train_loss=9.0), tmp_path, files())
    assert read_all(tmp_path) == ([record()], [])
    assert finished(folder(tmp_path), record().stem, RESUME) == record()
    assert names(tmp_path) == {f"{record().stem}.json", f"{record().stem}.npz"}


def test_a_crash_between_the_samples_and_the_record_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(record(), tmp_path, files())
    monkeypatch.setattr(paths.os, "replace", fail_at(2, OSError(28, "No space left on device")))
    with pytest.raises(OutputError):
        write(record(), tmp_path, files(b"other samples"))
    assert finished(folder(tmp_path), record().stem, RESUME) is None


def test_a_crash_while_bytes_are_written_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    paths.write_whole(path, "old")

    def broken(self: Path, data: bytes) -> int:
        self.open("wb").close()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", broken)
    with pytest.raises(OutputError, match="No space left"):
        paths.write_whole(path, "new")
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("file", "old")]


def test_a_results_folder_that_is_a_file_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    with pytest.raises(OutputError, match="--out"):
        write(record(), tmp_path / "results", files())


def test_a_record_never_lies_outside_the_results_folder(tmp_path: Path) -> None:
    """Records come from strangers too, and the encoder's name makes the folder."""
    out = tmp_path / "a" / "b" / "results"
    with pytest.raises((VirbError, ValueError)):
        write(record(encoder={**facts()["encoder"], "name": "../../../stray"}), out, files())
    assert not list(tmp_path.glob("stray*")) + list(tmp_path.glob("a/stray*")) + list(tmp_path.glob("a/b/stray*"))
