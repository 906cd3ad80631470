"""Stopping: Ctrl-C and SIGTERM are heard wherever they arrive, and the caller's handlers come back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator

import pytest

from virb.core import stopping

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of this kind are POSIX")


@pytest.fixture(autouse=True)
def hang_up_is_heard() -> Iterator[None]:
    """Undo what nohup does to whoever runs the tests."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "_heard", [])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_stops_the_block_and_tells_its_exit_code(number: signal.Signals, code: int) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), stopping.heeded():
        os.kill(os.getpid(), number)
    assert stopping.exit_code() == code
    assert signal.getsignal(number) is before


def test_what_was_ignored_stays_ignored_as_under_nohup() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopping.heeded():
            os.kill(os.getpid(), signal.SIGHUP)
            stopping.check()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_wish_that_a_destructor_swallowed_is_heard_at_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    swallowed: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda raised: swallowed.append(raised.exc_type))

    class Deaf:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    with stopping.heeded():
        stopping.check()
        Deaf()
        assert swallowed == [stopping.Stopped]
        with pytest.raises(stopping.Stopped):
            stopping.check()


def test_inside_a_deferring_block_nothing_is_raised_and_at_its_end_it_is() -> None:
    done = []

    def work() -> None:
        with stopping.heeded(), stopping.deferred():
            os.kill(os.getpid(), signal.SIGTERM)
            done.append(True)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == [True]
    assert stopping.exit_code() == 143


def test_deferring_works_for_a_callers_own_handler_too() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        with stopping.deferred():
            os.kill(os.getpid(), signal.SIGINT)
            assert heard == []
        assert heard == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)


def test_beside_the_main_thread_nothing_is_touched() -> None:
    ended: list[bool] = []

    def beside() -> None:
        with stopping.heeded(), stopping.deferred():
            ended.append(True)

    thread = threading.Thread(target=beside)
    thread.start()
    thread.join()
    assert ended == [True]


FORKING = """
    import os, signal, sys
    import torch
    from torch.utils.data import DataLoader
    from virb.core import stopping
    from virb.core.workers import batches

    asked = os.getpid()

    def at_fork():  # Python prints and forgets what is raised in here
        if os.getpid() == asked:
            os.kill(asked, signal.SIGINT)

    os.register_at_fork(before=at_fork)
    loader = DataLoader(list(range(8)), num_workers=2, worker_init_fn=stopping.settle_worker)
    with stopping.heeded():
        try:
            for batch in {loop}:
                print("went on")
        except KeyboardInterrupt:
            print("stopped")
"""


@pytest.mark.parametrize(("loop", "said"), [("batches(loader)", "stopped"), ("loader", "went on")])
def test_ctrl_c_during_the_fork_of_a_worker_is_lost_by_a_plain_loader_and_not_by_ours(loop: str, said: str) -> None:
    script = textwrap.dedent(FORKING).replace("{loop}", loop)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert said in done.stdout.split("\n"), done.stderr
    assert ("Exception ignored" in done.stderr) == (loop == "loader")
