"""One small sample world, made once for all tests that only look at it."""

import pytest

from virb.sample import DATASETS, ensure


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    return ensure(DATASETS, folder=tmp_path_factory.mktemp("world") / "small", size=0.02, workers=1)
