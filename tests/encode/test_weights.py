"""Weights: fetched from a card's address by a real server on this machine, and found again by the address alone."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from virb.cards.encoder import EncoderCard
from virb.cards.encoder_names import encoder_card
from virb.cli import main
from virb.core.errors import CheckpointError, DataError
from virb.core.fetch import transfer
from virb.encode.weights import fetch_weights, local, weights_place

CONTENT = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(BaseHTTPRequestHandler):
    """Honours ranges; the first answer is cut in the middle."""

    ranges: list[str | None]

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        start = int(found[1]) if (found := re.fullmatch(r"bytes=(\d+)-", wanted or "")) else 0
        self.ranges.append(wanted)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        self.wfile.write(CONTENT[start : len(CONTENT) // 2 if len(self.ranges) == 1 else None])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def ranges() -> list[str | None]:
    return []


@pytest.fixture
def address(
    ranges: list[str | None], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VIRB_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setattr(transfer.time, "sleep", lambda seconds: None)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Server,), {"ranges": ranges}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def card(address: str, **more: object) -> EncoderCard:
    facts = {"name": "mine", "title": "Mine", "weights": f"{address}/run/mine.pt", "arch": "resnet18", "sha256": SHA256}
    return EncoderCard.model_validate({**facts, **more})


def test_weights_are_fetched_from_where_they_were_cut_and_checked(address: str, ranges: list[str | None]) -> None:
    place = fetch_weights(card(address))
    assert place.read_bytes() == CONTENT
    assert ranges == [None, f"bytes={len(CONTENT) // 2}-"]
    assert local(card(address)).weights == str(place)
    fetch_weights(card(address))
    assert len(ranges) == 2, "what is there is not fetched again"


def test_other_bytes_than_the_card_says_are_refused_and_removed(address: str) -> None:
    wrong = card(address, sha256="0" * 64)
    with pytest.raises(DataError, match="sha256"):
        fetch_weights(wrong)
    assert not weights_place(wrong).exists()


def test_the_command_line_fetches_a_card_file(address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"name: mine\ntitle: Mine\nweights: {address}/mine.pt\narch: resnet18\nsha256: {SHA256}\n")
    assert main(["encoders", "download", str(file)]) == 0
    assert Path(capsys.readouterr().out.strip()).read_bytes() == CONTENT


def test_an_address_without_its_file_says_which_command_fetches_it(address: str) -> None:
    with pytest.raises(CheckpointError, match="virb encoders download mine"):
        local(card(address))


def test_two_addresses_never_share_a_place_and_none_leaves_the_folder() -> None:
    first, second = (card(f"http://{host}", weights=f"http://{host}/a/..%2F..%2Fx.pt") for host in ("one", "two"))
    assert weights_place(first) != weights_place(second)
    assert weights_place(first).name == "x.pt"
    assert ".." not in weights_place(first).parts


def test_a_card_with_a_plain_http_address_needs_a_checksum() -> None:
    with pytest.raises(ValueError, match="sha256"):
        card("http://example.org", sha256=None)


@pytest.mark.parametrize("name", ["color", "Random"])
def test_what_has_no_address_cannot_be_fetched(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encoders", "download", name]) == 2
    assert "names no address" in capsys.readouterr().err


def test_a_card_with_an_address_is_told_from_a_file_beside_it(tmp_path: Path) -> None:
    assert encoder_card("PIRL").address
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\ntitle: Mine\nweights: mine.pt\n")
    assert encoder_card(str(file)).weights == str((tmp_path / "mine.pt").resolve())
