"""Shared fixtures: a cache of our own, and sample worlds that all processes of a session share."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from filelock import FileLock


def pytest_configure(config: pytest.Config) -> None:
    """Divide the cores among the processes that run tests: each would take all, and slow the others."""
    if hasattr(config, "workerinput"):
        threads = max(1, (os.cpu_count() or 1) // config.workerinput["workercount"])
        torch.set_num_threads(threads)
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # for what tests start


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest: what runs beside them then ends at about the same time."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep every test away from the user's cache, and share one among the tests of a session."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIRB_CACHE", str(folder))
        patch.delenv("VIRB_DATA", raising=False)
        yield folder


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_heard() -> Iterator[None]:
    """Undo that whoever started the tests ignores it, as a shell's `&` does: tests send it, to children too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def denormals_as_they_were() -> Iterator[None]:
    """Fail the test that leaves denormal numbers flushed: it would change the sums of whatever comes after it."""
    yield
    flushed = (torch.tensor([2.0**-1060], dtype=torch.float64) * 1.0).item() == 0
    torch.set_flush_denormal(False)
    assert not flushed, "this test leaves denormal numbers flushed to zero for the rest of the process"


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Return what makes a folder once for all processes of a session; the first makes it, the others wait."""
    own = tmp_path_factory.getbasetemp()
    base = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def made(name: str, make: Callable[[Path], object]) -> Path:
        with FileLock(base / f"{name}.lock"):
            if not (base / name).exists():
                make(base / f"{name}.part")
                (base / f"{name}.part").rename(base / name)
        return base / name

    return made


def _link(source: str, target: str) -> None:
    if not os.path.exists(target):
        os.link(source, target)


@pytest.fixture(scope="session")
def sample_root(own_cache: Path, once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """Return the sample world of three image-level data sets at its usual size, where a user has it."""
    from virb.sample import ensure

    names = ["clevr", "dtd", "thor_egomotion"]
    made = once("three", lambda folder: ensure(names, folder=folder))
    root = ensure([])
    shutil.copytree(made, root, copy_function=_link, dirs_exist_ok=True)
    return ensure(names)


@pytest.fixture(scope="session")
def trained_file(sample_root: Path, once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """Return the weights of a multi-task encoder, trained once for all processes and saved as a user would."""
    from training import train_encoder

    from virb.cards.select import select_tasks
    from virb.run.options import Asked
    from virb.run.tasks import prepare

    def make(folder: Path) -> None:
        folder.mkdir()
        prepared, _ = prepare(select_tasks("dtd,clevr_count,thor_egomotion"), Asked(sample=True).options())
        started = time.monotonic()
        torch.save(train_encoder(prepared), folder / "trained_r18.pt")
        print(f"trained in {time.monotonic() - started:.0f} s")

    return once("trained", make) / "trained_r18.pt"


@pytest.fixture(scope="session")
def small_world(once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """Return a sample world of every data set, with as few pictures as the readers take."""
    from virb.sample import DATASETS, ensure

    return once("small", lambda folder: ensure(DATASETS, folder=folder, size=0.12, workers=1))


@pytest.fixture
def generator() -> torch.Generator:
    """Return a seeded source of randomness."""
    return torch.Generator().manual_seed(7)
