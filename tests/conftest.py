"""Shared fixtures: a cache of our own, the sample world once per session, an encoder trained on the spot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep every test away from the user's cache, and share one among the tests of a session."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIRB_CACHE", str(folder))
        patch.delenv("VIRB_DATA", raising=False)
        yield folder


@pytest.fixture(scope="session")
def sample_root(own_cache: Path) -> Path:
    """Return the sample world of three image-level data sets at its usual size, made once."""
    from virb.sample import ensure

    return ensure(["clevr", "dtd", "thor_egomotion"])


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a sample world of every data set, with as few pictures as the readers take, made once."""
    from virb.sample import DATASETS, ensure

    return ensure(DATASETS, folder=tmp_path_factory.mktemp("world") / "small", size=0.12, workers=1)


@pytest.fixture
def generator() -> torch.Generator:
    """Return a seeded source of randomness."""
    return torch.Generator().manual_seed(7)
