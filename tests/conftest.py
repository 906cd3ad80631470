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
    """Return the default sample world of all tasks, made once."""
    from virb.sample import DATASETS, ensure

    return ensure(DATASETS)


@pytest.fixture
def generator() -> torch.Generator:
    """Return a seeded source of randomness."""
    return torch.Generator().manual_seed(7)
