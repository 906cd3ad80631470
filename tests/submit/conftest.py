"""Fixtures of submissions: a tiny world, real records of it, the bundle of an encoder, and ways to forge it."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from virb.cards.encoder import EncoderCard
from virb.cards.encoder_names import encoder_cards
from virb.cards.select import select_tasks
from virb.records.record import pack_arrays
from virb.run.harness import run
from virb.run.options import Asked, Options
from virb.submit.bundle import FileEntry, Manifest
from virb.submit.container import MANIFEST, write_container
from virb.submit.make import Wish, make_bundle

TASKS = "dtd,pets,pets_seg,thor_egomotion"


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a sample world of three data sets with as few pictures as their readers take."""
    from virb.sample import ensure

    names = ["dtd", "pets", "thor_egomotion"]
    return ensure(names, folder=tmp_path_factory.mktemp("submit") / "world", size=0.12, workers=1)


@pytest.fixture(scope="session")
def tiny_options(tiny_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Options:
    """Return the options of a run on it; to a run it is real data, so that nothing makes the large world."""
    options = Asked(data=tiny_world, protocol="quick", seeds=2, save_heads=True, workers=0).options()
    return replace(options, out=tmp_path_factory.mktemp("submit") / "results")


@pytest.fixture(scope="session")
def results(tiny_options: Options) -> Path:
    """Return a results folder with the records of one encoder on four tasks, image-level and pixel-wise."""
    report = run(encoder_cards(["baseline:color"]), select_tasks(TASKS), tiny_options)
    assert not report.failures
    assert len(report.records) == 4
    return tiny_options.out


def color_card(**changes: Any) -> EncoderCard:
    facts: dict[str, Any] = {
        "name": "baseline-color",
        "title": "Histogram of colours",
        "weights": "baseline:color",
        "method": "none",
        "pretraining": "none",
        "paper": "unpublished",
        "licence": "MIT",
    }
    return EncoderCard.model_validate(facts | changes)


@pytest.fixture
def card() -> EncoderCard:
    """Return a complete card of the encoder that was evaluated."""
    return color_card()


@pytest.fixture(scope="session")
def bundle(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return its bundle, pixel heads included."""
    out = tmp_path_factory.mktemp("bundle") / "color.zip"
    return make_bundle(color_card(), results, out, Wish(pixel_heads=True)).path


Files = dict[str, bytes]


class Forger:
    """Takes a bundle apart and writes another one, with every hash made right again where that is asked for."""

    def __init__(self, bundle: Path, folder: Path) -> None:
        with zipfile.ZipFile(bundle) as archive:
            self.files: Files = {name: archive.read(name) for name in archive.namelist()}
        self.path = folder / "forged.zip"

    @property
    def records(self) -> list[str]:
        return sorted(name for name in self.files if name.startswith("records/") and name.endswith(".json"))

    def record(self, name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.files[name])
        return content

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        with np.load(io.BytesIO(self.files[name.replace(".json", ".npz")]), allow_pickle=False) as found:
            return {key: np.array(found[key]) for key in found.files}

    def put_record(self, name: str, record: dict[str, Any]) -> None:
        self.files[name] = (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode()

    def put_arrays(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        """Write the samples of a record, and their hash into the record."""
        content = pack_arrays(arrays)
        self.files[name.replace(".json", ".npz")] = content
        record = self.record(name)
        record["samples"]["sha256"] = hashlib.sha256(content).hexdigest()
        self.put_record(name, record)

    def write(self, rehash: bool = True) -> Path:
        if rehash:
            manifest = Manifest.model_validate_json(self.files[MANIFEST])
            entries = {
                name: FileEntry(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
                for name, content in sorted(self.files.items())
                if name != MANIFEST
            }
            self.files[MANIFEST] = manifest.model_copy(update={"files": entries}).sealed().as_bytes()
        write_container(self.path, dict(self.files))
        return self.path


@pytest.fixture
def forging(tmp_path: Path) -> Callable[[Path], Forger]:
    """Return what takes any bundle apart."""
    return lambda bundle: Forger(bundle, tmp_path)


@pytest.fixture
def forger(bundle: Path, forging: Callable[[Path], Forger]) -> Callable[[], Forger]:
    """Return what takes the bundle apart anew."""
    return lambda: forging(bundle)
