"""Fixtures of the command line: a function that runs one, data to run on, results of a run."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from commands import COLOR, FAST, Result, Run, make_dtd

from virb.cli import main


@pytest.fixture(scope="module", autouse=True)
def as_it_was() -> Iterator[None]:
    """Run on one thread, and leave torch and logging as they were found."""
    threads, root = torch.get_num_threads(), logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the tiny DTD and nothing else; tests that damage it copy it first."""
    return make_dtd(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """Return a results folder with the records of both baselines; tests that change it copy it first."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIRB_CACHE", str(folder / "cache"))
        given = (
            "--encoder",
            "baseline:pixels",
            "--tasks",
            "dtd",
            "--data",
            str(data),
            "--out",
            str(folder / "results"),
        )
        assert main(["evaluate", *COLOR, *given, *FAST]) == 0
    return folder / "results"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs one command in an empty folder with a cache of its own."""
    monkeypatch.setenv("VIRB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("VIRB_DATA", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def command(*arguments: object) -> Result:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Result(code, *capsys.readouterr())

    return command


@pytest.fixture
def damaged(tmp_path: Path, data: Path) -> Path:
    """Return a copy of the tiny DTD for a test to damage."""
    return Path(shutil.copytree(data, tmp_path / "damaged"))
