"""The sample world on disk: the same bytes always, whole or not at all."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from worlds import MARKER, contents, leftovers, marker_of

from virb.core.errors import OutputError, UsageError
from virb.core.paths import temporary_beside
from virb.data.classes import DTD
from virb.sample import DATASETS, crew, ensure, world
from virb.sample.engine.fields import Dice
from virb.sample.engine.render import render
from virb.sample.places.rooms import room, starting_pose
from virb.sample.places.tabletop import tabletop
from virb.sample.sets import WRITERS
from virb.sample.textures.textures import texture

REPOSITORY = Path(__file__).parents[2]


def python(script, *arguments, **environment):
    """Start a script on the standard input of a new interpreter, in a session of its own."""
    process = subprocess.Popen(
        [sys.executable, "-", *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
    )  # fmt: skip
    process.stdin.write(textwrap.dedent(script))
    process.stdin.close()
    process.stdin = None
    return process


def wait_for(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_several_workers_write_the_same_bytes_as_one(small, tmp_path):
    other = ensure(DATASETS, folder=tmp_path, size=0.02, workers=2)
    assert contents(other) == contents(small)


def test_another_seed_makes_other_pictures(small, tmp_path):
    other = contents(ensure(["clevr"], folder=tmp_path, size=0.02, seed=1, workers=1))
    mine = contents(small / "CLEVR_v1.0")
    assert {path.removeprefix("CLEVR_v1.0/") for path in other} == set(mine)
    assert not set(other.values()) & set(mine.values())


def test_a_larger_world_keeps_the_items_of_a_smaller_one(small):
    for name, writer in WRITERS.items():
        few, many = writer.items(0.02), writer.items(0.6)
        assert set(few) < set(many), name
        chosen = few[:: max(1, len(few) // 4)]
        for item in chosen:
            for path, data in writer.make(0, item).files.items():
                assert (small / writer.folder / path).read_bytes() == data


def picture_digest():
    """Return a digest of raw pixels, before any file format."""
    state = hashlib.sha256()
    for number in range(3):
        state.update(tabletop(Dice("golden", number), 4 + 3 * number, number).rendering.rgb.tobytes())
        place = room(Dice("golden", number))
        camera = starting_pose(place, Dice("golden", number)).camera(place, 48)
        picture = render(place.scene, camera, Dice("golden"))
        state.update(picture.rgb.tobytes() + picture.depth.tobytes() + picture.instance.tobytes())
    for name in DTD:
        state.update(texture(name, Dice("golden", name), 32).tobytes())
    return state.hexdigest()


def test_pictures_are_the_same_to_the_byte_without_vector_units():
    from numpy._core._multiarray_umath import __cpu_dispatch__

    script = f"""
        import sys
        sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[1])]!r}
        from test_sample_world import picture_digest
        from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
        print(picture_digest(), sum(__cpu_features__[name] for name in __cpu_dispatch__))
    """
    process = python(script, NPY_DISABLE_CPU_FEATURES=" ".join(__cpu_dispatch__))
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert output.split() == [picture_digest(), "0"]


def test_pictures_change_only_with_the_version():
    """Raise world.VERSION with this digest: a cached world of the old version would mix with the new one."""
    assert (world.VERSION, picture_digest()[:16]) == (2, "ba57fbd9b710a628")


def test_what_is_there_is_not_made_again(small, monkeypatch):
    monkeypatch.setattr(world, "_make", lambda *_: pytest.fail("made again"))
    before = {path: path.stat().st_mtime_ns for path in small.rglob("*")}
    assert ensure(DATASETS, folder=small, size=0.02) == small
    assert before == {path: path.stat().st_mtime_ns for path in small.rglob("*")}


def test_progress_counts_up_to_all(tmp_path):
    calls = []
    ensure(["clevr", "dtd"], folder=tmp_path, size=0.02, workers=1, progress=lambda *call: calls.append(call))
    for name, total in (("clevr", 29), ("dtd", 141)):
        assert [call[1:] for call in calls if call[0] == name] == [(done, total) for done in range(total + 1)]


def test_whoever_comes_second_gives_way_where_there_are_no_locks(tmp_path, monkeypatch):
    monkeypatch.setattr("virb.sample.world.held", lambda *_: nullcontext())
    inodes = []

    def another(name, done, total):
        if done == total and not inodes:
            inodes.append(None)
            ensure([name], folder=tmp_path, size=0.02, workers=1)
            inodes.append((tmp_path / "CLEVR_v1.0").stat().st_ino)

    ensure(["clevr"], folder=tmp_path, size=0.02, workers=1, progress=another)
    assert (tmp_path / "CLEVR_v1.0").stat().st_ino == inodes[1]
    assert not leftovers(tmp_path)


def test_two_processes_may_make_the_same_world_at_once(small, tmp_path):
    script = """
        import sys, time
        from pathlib import Path
        from virb.sample.world import ensure
        root, name = Path(sys.argv[1]), sys.argv[2]
        (root.parent / name).touch()
        while not (root.parent / "go").exists():
            time.sleep(0.002)
        ensure(["clevr", "thor_egomotion"], folder=root, size=0.02, workers=1)
    """
    processes = [python(script, tmp_path / "world", name) for name in ("one", "two")]
    wait_for(lambda: (tmp_path / "one").exists() and (tmp_path / "two").exists())
    (tmp_path / "go").touch()
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    for folder in ("CLEVR_v1.0", "thor_action_prediction"):
        assert contents(tmp_path / "world" / folder) == contents(small / folder)
    assert not leftovers(tmp_path / "world")


LONG_RUN = """
    import sys
    from pathlib import Path
    import threading
    from virb.sample import ensure
    print("main module", flush=True)
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    ensure(["clevr"], folder=Path(sys.argv[1]), size=3, workers=2)
"""


def living(session):
    """Return the processes of a session that are not zombies."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, owner = entry.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(owner) == session and state != "Z":
            found.append(int(entry.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")
def test_ctrl_c_leaves_no_temporary_folder_and_no_worker(tmp_path):
    process = python(LONG_RUN, tmp_path)
    wait_for(lambda: len(list(tmp_path.glob(".CLEVR*.tmp/images/train/*.png"))) > 3)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the group
    output, errors = process.communicate(timeout=20)
    assert process.returncode != 0
    assert errors.count("Traceback") == 1, errors
    assert "KeyboardInterrupt" in errors
    assert output.splitlines() == ["main module"]  # no worker ran the caller's script again
    assert [path.name for path in tmp_path.iterdir()] == [MARKER]
    wait_for(lambda: not living(process.pid), 5)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")
def test_after_a_killed_run_workers_leave_and_the_next_run_sweeps_up(tmp_path):
    process = python(LONG_RUN, tmp_path)
    wait_for(lambda: len(list(tmp_path.glob(".CLEVR*.tmp/images/train/*.png"))) > 3)
    process.kill()
    process.communicate(timeout=20)
    wait_for(lambda: not living(process.pid), 10)
    assert len(leftovers(tmp_path)) == 1
    alive = temporary_beside(tmp_path / "dtd")  # of a living process: not ours to sweep
    alive.mkdir()
    ensure(["clevr"], folder=tmp_path, size=0.02, workers=1)
    assert leftovers(tmp_path) == [alive.name]


def test_an_error_while_drawing_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*_):
        raise ValueError("no ink")

    monkeypatch.setitem(crew.WRITERS, "dtd", crew.WRITERS["dtd"].__class__("dtd", WRITERS["dtd"].items, fail, dict))
    with pytest.raises(ValueError, match="no ink"):
        ensure(["dtd"], folder=tmp_path, size=0.02, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == [MARKER]


def test_an_unknown_name_is_answered_with_the_nearest(tmp_path):
    with pytest.raises(UsageError, match="did you mean 'clevr'"):
        ensure(["dtd", "clever"], folder=tmp_path / "world")
    assert not (tmp_path / "world").exists()


@pytest.mark.parametrize("wrong", [{"size": 0}, {"size": float("nan")}, {"size": -1}, {"workers": 0}])
def test_an_impossible_size_or_number_of_workers_is_refused(tmp_path, wrong):
    with pytest.raises(UsageError):
        ensure(["dtd"], folder=tmp_path, **wrong)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OutputError, match=re.escape(str(tmp_path / "file"))):
        ensure(["dtd"], folder=tmp_path / "file" / "world", size=0.02, workers=1)


def test_a_full_disk_met_by_a_worker_is_named_too(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(crew, "write_file", full)
    with pytest.raises(OutputError, match="No space left on device"):
        ensure(["dtd"], folder=tmp_path, size=0.02, workers=1)
    assert not leftovers(tmp_path)


def test_real_data_are_never_overwritten(tmp_path):
    real = tmp_path / "dtd" / "images" / "banded" / "banded_0001.jpg"
    real.parent.mkdir(parents=True)
    real.write_bytes(b"real")
    with pytest.raises(OutputError, match="not made by the sample world"):
        ensure(["dtd"], folder=tmp_path, size=0.02, workers=1)
    assert real.read_bytes() == b"real"
    assert [path.name for path in tmp_path.iterdir()] == ["dtd"]


def test_the_default_place_is_in_the_cache_and_tells_version_size_and_seed(tmp_path, monkeypatch):
    monkeypatch.setenv("VIRB_CACHE", str(tmp_path))
    root = ensure("clevr", size=0.02, seed=3, workers=1)
    assert root == tmp_path / "sample" / f"v{world.VERSION}-size0.02-seed3"
    assert marker_of(root / "CLEVR_v1.0").is_file()


def test_importing_the_package_is_light():
    script = """
        import sys
        import virb.sample
        assert "numpy" not in sys.modules
        virb.sample.ensure
        assert "torch" not in sys.modules
        assert "scipy" not in sys.modules
    """
    process = python(script)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors


def test_a_harder_world_has_the_same_targets_and_duller_noisier_pictures(tmp_path):
    def picture(folder):
        paths = sorted((folder / "CLEVR_v1.0" / "images" / "val").iterdir())
        return [np.asarray(Image.open(path).convert("RGB")).astype(float) for path in paths]

    usual = ensure(["clevr"], folder=tmp_path / "usual", size=0.02)
    harder = ensure(["clevr"], folder=tmp_path / "harder", size=0.02, difficulty=2.0)
    scenes = "CLEVR_v1.0/scenes/CLEVR_val_scenes.json"
    assert (usual / scenes).read_bytes() == (harder / scenes).read_bytes()
    for one, other in zip(picture(usual), picture(harder), strict=True):
        np.testing.assert_allclose(other.mean(), 127.5 + (one.mean() - 127.5) / 2, atol=1.5)
        assert other.std() < one.std()
        assert np.abs(np.diff(other, axis=1)).mean() > np.abs(np.diff(one, axis=1)).mean() * 0.5
    again = ensure(["clevr"], folder=tmp_path / "harder", size=0.02)  # other than what lies there: made anew
    assert (again / scenes).read_bytes() == (usual / scenes).read_bytes()
    assert np.array_equal(picture(again)[0], picture(usual)[0])


@pytest.mark.parametrize("difficulty", [0.0, -1.0, 100.0, float("nan")])
def test_an_impossible_difficulty_is_refused(tmp_path, difficulty):
    with pytest.raises(UsageError, match="difficulty"):
        ensure(["clevr"], folder=tmp_path, size=0.02, difficulty=difficulty)
