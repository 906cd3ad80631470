"""The command line over data sets: what is there, fetched, verified, made up, looked at."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import Result, Run, assert_three_parts
from PIL import Image
from shelves import make_dtd

from virb.cli import main
from virb.core.paths import card_folder
from virb.data.common import data_card


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs one command in an empty folder."""
    monkeypatch.delenv("VIRB_DATA", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def command(*arguments: object) -> Result:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Result(code, *capsys.readouterr())

    return command


@pytest.fixture
def data(tmp_path: Path) -> Path:
    make_dtd(tmp_path / "data")
    return tmp_path / "data"


# Help and wrong usage


@pytest.mark.parametrize("line", ["", "status", "download", "verify", "sample", "show"])
def test_every_command_has_help(run: Run, line: str) -> None:
    done = run("data", *line.split(), "--help")
    assert done.code == 0
    assert f"Usage: virb data {line}".rstrip() in done.out


@pytest.mark.parametrize("line", ["download", "verify", "show"])
def test_a_missing_name_is_wrong_usage(run: Run, line: str) -> None:
    done = run("data", line)
    assert done.code == 2
    assert "Missing" in done.err


@pytest.mark.parametrize("line", ["status dttd", "download dttd", "verify dttd", "show dttd", "sample dttd"])
def test_an_unknown_name_is_answered_with_the_nearest(run: Run, line: str) -> None:
    done = run("data", *line.split())
    assert done.code == 2
    assert "did you mean 'dtd'?" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("line", ["status", "verify dtd", "show dtd"])
def test_the_sample_world_and_a_data_folder_exclude_each_other(run: Run, data: Path, line: str) -> None:
    done = run("data", *line.split(), "--sample", "--data", data)
    assert done.code == 2
    assert_three_parts(done.err)


def test_options_before_the_commands_name_are_not_lost_in_silence(run: Run, data: Path) -> None:
    done = run("data", "--data", data, "verify", "dtd")
    assert done.code == 2
    assert "after the command's name" in done.err


def test_an_unknown_inner_command_is_wrong_usage_and_named(run: Run) -> None:
    done = run("data", "statsu")
    assert done.code == 2
    assert "'statsu'" in done.err


# Status


def test_data_alone_is_the_status(run: Run, data: Path) -> None:
    done = run("data", "--data", data)
    assert done.code == 0
    assert done.out == run("data", "status", "--data", data).out
    (line,) = (line for line in done.out.splitlines() if line.startswith("dtd "))
    assert line.split()[:5] == ["dtd", "found", "3", "3", "3"]
    assert "1 of " in done.out
    assert "counts differ" in done.out
    assert "virb data download NAME" in done.out


def test_the_data_folder_may_stand_in_the_environment(run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRB_DATA", str(data))
    rows = json.loads(run("data", "--json").out)
    assert rows["folder"] == str(data)
    assert {row["name"] for row in rows["data"] if row["state"] == "found"} == {"dtd"}


def test_without_a_folder_everything_is_missing_and_that_is_no_failure(run: Run) -> None:
    done = run("data")
    assert done.code == 0
    assert "there is no such folder" in done.out
    assert not Path("data").exists()


def test_a_broken_data_set_is_a_failure_and_named_with_the_next_step(run: Run, data: Path) -> None:
    (data / "dtd" / "labels" / "val1.txt").unlink()
    done = run("data", "status", "--data", data)
    assert done.code == 1
    assert "val1.txt" in done.out
    assert "dtd: run 'virb data download dtd'" in done.out


def test_one_data_set_is_shown_with_everything_that_is_known(run: Run, data: Path) -> None:
    done = run("data", "status", "dtd", "imagenet", "--data", data)
    assert done.code == 0
    for words in (f"{data}/dtd", "train 3, val 3, test 3", "train 1,880", "research only", "register at"):
        assert words in done.out


def test_the_json_of_the_status_holds_what_the_table_does(run: Run, data: Path) -> None:
    shown = json.loads(run("data", "status", "--data", data, "--json").out)
    rows = {row["name"]: row for row in shown["data"]}
    assert rows["dtd"]["counts"] == {"train": 3, "val": 3, "test": 3}
    assert rows["dtd"]["usual_counts"] == {"train": 1880, "val": 1880, "test": 1880}
    assert (rows["clevr"]["state"], rows["clevr"]["next"]) == ("missing", "virb data download clevr")
    assert rows["imagenet"]["access"] == "registration"
    assert "register" in rows["imagenet"]["next"]


# Download


class Shop(BaseHTTPRequestHandler):
    """Sends one archive, slowly when asked to, with ranges."""

    content = b""
    pause = 0.0

    def do_GET(self) -> None:
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.content) - start))
        self.send_header("ETag", '"one"')
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        self.end_headers()
        try:
            for place in range(start, len(self.content), 1 << 18):
                self.wfile.write(self.content[place : place + (1 << 18)])
                time.sleep(self.pause)
        except OSError:
            return  # the client has had enough

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Shop]]:
    """Run a server with DTD as its owner packs it, behind a card of the shipped name."""
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    folder = make_dtd(tmp_path / "owner")
    (folder / "filling.bin").write_bytes(os.urandom(8 << 20))
    with tarfile.open(tmp_path / "dtd.tar", "w") as tar:
        tar.add(folder, "dtd")
    made = type("Made", (Shop,), {"content": (tmp_path / "dtd.tar").read_bytes()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), made)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    cards = tmp_path / "cards"
    cards.mkdir()
    url = f"http://127.0.0.1:{server.server_port}/dtd.tar"
    archive = {"url": url, "file": "dtd.tar", "md5": hashlib.md5(made.content).hexdigest()}
    card = yaml.safe_load((card_folder("datasets") / "dtd.yaml").read_text())
    (cards / "dtd.yaml").write_text(yaml.safe_dump({**card, "archives": [archive]}))
    monkeypatch.setattr(
        "virb.cards.yaml_files.card_folder", lambda kind: cards if kind == "datasets" else card_folder(kind)
    )
    data_card.cache_clear()
    yield made
    data_card.cache_clear()
    server.shutdown()
    server.server_close()


def test_a_download_ends_with_what_is_there_now(run: Run, tmp_path: Path, shop: type[Shop]) -> None:
    done = run("data", "download", "dtd", "--data", tmp_path / "new")
    assert done.code == 0
    assert "train 3, val 3, test 3" in done.out
    assert "fetch dtd.tar" in done.err
    assert "unpack dtd.tar" in done.err
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["dtd"]
    again = run("data", "download", "dtd", "--data", tmp_path / "new")
    assert again.code == 0
    assert "there already" in again.err
    assert "fetch" not in again.err


def test_closed_data_are_no_download_but_steps(run: Run) -> None:
    done = run("data", "download", "imagenet")
    assert done.code == 1
    assert "register at https://image-net.org" in done.err
    assert_three_parts(done.err)
    assert not Path("data").exists()


INTERRUPTED = """
import sys
from virb.cards import yaml_files
from virb.core.paths import card_folder
cards = sys.argv.pop(1)
yaml_files.card_folder = lambda kind: __import__("pathlib").Path(cards) if kind == "datasets" else card_folder(kind)
from virb.cli import main
raise SystemExit(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of this kind are POSIX")
def test_a_real_ctrl_c_keeps_the_part_and_the_same_command_goes_on(run: Run, tmp_path: Path, shop: type[Shop]) -> None:
    shop.pause = 0.05
    new = tmp_path / "new"
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path / "cards"), "data", "download", "dtd", "--data", str(new)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    part = new / ".downloads" / "dtd" / "dtd.tar.part"
    try:
        limit = time.monotonic() + 30
        while not (part.exists() and part.stat().st_size) and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130, errors
    assert "Interrupted" in errors
    assert "Traceback" not in errors
    assert 0 < part.stat().st_size < len(shop.content)
    shop.pause = 0.0
    assert run("data", "download", "dtd", "--data", new).code == 0
    assert [path.name for path in new.iterdir()] == ["dtd"]


# Verify


def test_a_sound_data_set_is_said_to_be_sound(run: Run, data: Path) -> None:
    done = run("data", "verify", "dtd", "--data", data, "--workers", 0)
    assert done.code == 0
    assert "9 pictures" in done.out
    assert "0 broken" in done.out


def test_broken_pictures_are_named_and_a_failure(run: Run, data: Path) -> None:
    broken = data / "dtd" / "images" / "dotted" / "dotted_0005.jpg"
    broken.write_bytes(broken.read_bytes()[:300])
    done = run("data", "verify", "dtd", "--data", data, "--workers", 0)
    assert done.code == 1
    assert str(broken) in done.out
    assert "1 broken" in done.out
    found = json.loads(run("data", "verify", "dtd", "--data", data, "--workers", 0, "--json").out)
    assert [one["file"] for one in found["broken"]] == [str(broken)]
    assert (found["images"], found["labels"]) == (9, 0)


def test_a_long_list_of_broken_pictures_is_cut_on_the_screen_only(
    run: Run, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("virb.cli.data._SHOWN", 2)
    for path in (data / "dtd" / "images").rglob("*.jpg"):
        path.write_bytes(b"")
    done = run("data", "verify", "dtd", "--data", data, "--workers", 0)
    assert "and 7 more" in done.out
    assert len(json.loads(run("data", "verify", "dtd", "--data", data, "--workers", 0, "--json").out)["broken"]) == 9


def test_what_is_missing_cannot_be_verified(run: Run, data: Path) -> None:
    done = run("data", "verify", "clevr", "--data", data)
    assert done.code == 1
    assert "CLEVR is missing" in done.err
    assert_three_parts(done.err)


# Sample and show


def test_the_sample_world_is_made_where_it_is_wanted(run: Run) -> None:
    done = run("data", "sample", "dtd", "--size", 0.1, "--out", "world")
    assert (done.code, done.out.strip()) == (0, "world")
    assert run("data", "status", "dtd", "--data", "world").code == 0
    assert "sample world" in run("data", "status", "dtd", "--data", "world").out
    other = run("data", "sample", "dtd", "--size", 0.1, "--seed", 1, "--out", "other")
    assert other.code == 0
    first, second = (Path(name) / ".dtd.virb-sample.json" for name in ("world", "other"))
    assert json.loads(first.read_text())["sha256"] != json.loads(second.read_text())["sha256"]


def test_a_size_that_is_none_is_wrong_usage(run: Run) -> None:
    assert run("data", "sample", "dtd", "--size", 0, "--out", "world").code == 2


def test_a_sheet_is_drawn_into_a_file_that_is_named(run: Run, data: Path) -> None:
    done = run("data", "show", "dtd", "--data", data)
    assert (done.code, done.out.strip()) == (0, "dtd.png")
    with Image.open("dtd.png") as sheet:
        assert min(sheet.size) > 100
    assert run("data", "show", "dtd", "--data", data, "--count", 3, "--out", "deep/few.png").code == 0
    with Image.open("dtd.png") as all_of_them, Image.open("deep/few.png") as few:
        assert all_of_them.size != few.size or all_of_them.tobytes() != few.tobytes()
    assert [path.name for path in Path().iterdir() if path.name.endswith(".tmp")] == []


@pytest.mark.parametrize(
    ("line", "code"),
    [("show dtd --out dtd.jpg", 2), ("show dtd --count 0", 2), ("show dtd --target textur", 2), ("show clevr", 1)],
)
def test_what_cannot_be_drawn_makes_no_file(run: Run, data: Path, line: str, code: int) -> None:
    done = run("data", *line.split(), "--data", data)
    assert done.code == code
    assert "Traceback" not in done.err
    assert list(Path().iterdir()) == []


def test_a_task_is_shown_with_its_own_target_and_a_data_set_with_its_first(
    run: Run, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    read = __import__("virb.data", fromlist=["read_dataset"]).read_dataset

    def noted(name: str, root: Path, target: str) -> Any:
        asked.append((name, target))
        return read("dtd", root, "texture")

    monkeypatch.setattr("virb.data.read_dataset", noted)
    for name in ("pets_seg", "pets", "clevr", "clevr_count", "nyu"):
        assert run("data", "show", name, "--data", data).code == 0
    assert run("data", "show", "nyu", "--target", "walkable", "--data", data).code == 0
    assert asked[0] == ("pets", "trimap")
    assert asked[1][0] == "pets"
    assert asked[1][1] != "trimap"
    assert asked[2:4] == [("clevr", "count")] * 2
    assert asked[4:] == [("nyu", "depth"), ("nyu", "walkable")]
