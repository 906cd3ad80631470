"""Servers that answer anything: a file comes whole, or an error in three parts, soon and in little memory."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest
from hostile_servers import ANSWERS, ENDLESS, TAKEN, answering
from sites import CONTENT, SHA256, Site, assert_three_parts, part_of, status

from virb.core.errors import DataError, VirbError
from virb.core.fetch import download, transfer


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(transfer.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(transfer, "_PATIENCE", 5.0)


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_brings_no_file_is_an_error_in_three_parts_and_installs_nothing(place: Path, name: str) -> None:
    with answering(lambda: iter([ANSWERS[name]])) as (address, _), pytest.raises(VirbError) as caught:
        download(f"{address}/data.zip", place)
    assert_three_parts(caught.value)
    assert len(str(caught.value)) < 1500
    assert not place.exists()


@pytest.mark.parametrize("name", TAKEN)
def test_an_odd_answer_that_brings_the_file_is_taken(place: Path, name: str) -> None:
    with answering(lambda: iter([TAKEN[name]])) as (address, _):
        download(f"{address}/data.zip", place)
    assert place.read_bytes() == b"content"


@pytest.mark.parametrize("name", ENDLESS)
def test_an_answer_without_end_is_left(place: Path, name: str) -> None:
    tracemalloc.start()
    try:
        with answering(ENDLESS[name]) as (address, _), pytest.raises(DataError) as caught:
            download(f"{address}/data.zip", place)
        assert tracemalloc.get_traced_memory()[1] < 1 << 26
    finally:
        tracemalloc.stop()
    assert_three_parts(caught.value)
    assert not place.exists()


@pytest.mark.parametrize("code", [201, 203, 204, 206, 416])
def test_an_answer_without_a_file_is_none_even_where_a_part_is_there(site: Site, place: Path, code: int) -> None:
    place.parent.mkdir()
    part_of(place).write_bytes(CONTENT[:100])
    part_of(place).with_name("data.zip.part.json").write_text(json.dumps({"validator": '"one"'}))
    site.answers = [status(code)]
    with pytest.raises(DataError):
        download(site.url, place)
    assert not place.exists()


@pytest.mark.parametrize("note", ['"\r\nEvil: 1"', "é☃", "a" * 100_000, ["x"], {}])
def test_a_note_of_a_version_that_no_header_can_hold_is_no_version(site: Site, place: Path, note: object) -> None:
    place.parent.mkdir()
    part_of(place).write_bytes(CONTENT[:100])
    part_of(place).with_name("data.zip.part.json").write_text(json.dumps({"validator": note}))
    download(site.url, place, sha256=SHA256)
    assert place.read_bytes() == CONTENT
    assert "Evil" not in site.asked[0]
