"""The page as text: what is escaped, what is allowed, what is inside, and what it weighs."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from boards import STRANGE, pictured, sized

from virb.checks.bench.board import compare
from virb.cli import main
from virb.core.errors import VirbError
from virb.leaderboard import boards
from virb.leaderboard.page import build, html
from virb.leaderboard.page.figures import figures
from virb.leaderboard.page.pictures import BUDGET, pictures
from virb.records.load import Results, load

VENDOR = Path(build.__file__).parent / "vendor"


class Reader(HTMLParser):
    """What a browser would make of the page: its elements, its scripts and its words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script" and self.cdata_elem == "script":
            self.scripts[-1] += data
        else:
            self.words.append(data)


@pytest.fixture(scope="module")
def paper() -> str:
    found = load(["paper2021"])
    return html(found, boards(found))


def test_names_of_strangers_are_words_and_nothing_else() -> None:
    plain, strange = (Reader(html(Results(), [sized(5, 4, names)])) for names in ((), STRANGE))
    assert [tag for tag, _ in strange.tags] == [tag for tag, _ in plain.tags]
    assert not any(name.startswith("on") for _, attrs in strange.tags for name in attrs)
    text = "".join(strange.words)
    assert all(name in text for name in STRANGE)


def test_names_of_strangers_do_not_leave_the_data_of_the_plots() -> None:
    page = Reader(html(Results(), [sized(5, 4, STRANGE)]))
    data = next(text for text in page.scripts if text.startswith("["))
    assert "<" not in data
    assert json.loads(data)[0]["encoders"] == list(STRANGE)


def test_what_was_left_out_is_said_and_escaped() -> None:
    page = html(Results(problems=("<b>broken</b>.json",)), [sized(2, 2)], ["Submitted: <i>x</i>: 2 verified"])
    assert "&lt;b&gt;broken&lt;/b&gt;.json" in page
    assert "Submitted: &lt;i&gt;x&lt;/i&gt;: 2 verified" in page


def test_the_policy_allows_the_scripts_that_are_there_and_no_network(paper: str) -> None:
    page = Reader(paper)
    policy = next(attrs["content"] for _, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    run = [text for text in page.scripts if not text.startswith("[")]
    hashes = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in run}
    assert set(re.findall(r"'sha256-([^']+)'", policy)) == hashes
    assert "default-src 'none'" in policy
    assert not {"http:", "https:", "*", "'unsafe-eval'", "connect-src"} & set(re.split(r"[ ;]+", policy))


def test_nothing_is_read_from_elsewhere(paper: str) -> None:
    for tag, attrs in Reader(paper).tags:
        address = attrs.get("src") or attrs.get("href") or ""
        assert not address or address.startswith(("#", "data:")), (tag, attrs)


def test_the_libraries_are_those_that_their_owners_released() -> None:
    lines = re.findall(
        r"(?m)^\| (\S+\.js) \| .+ \| (\d[\d.]*) \| (MIT|ISC) \((\S+)\) \| .* \| (\w{64}) \|$",
        (VENDOR / "README.md").read_text(),
    )
    assert {name for name, *_ in lines} == set(build.SCRIPTS) == {path.name for path in VENDOR.glob("*.js")}
    for name, version, _, licence, digest in lines:
        content = (VENDOR / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest, name
        assert len(content) < 2 * 2**20
        assert version in content[:300].decode() or name.startswith("plot")
        assert "Permission" in (VENDOR / licence).read_text()


@pytest.mark.parametrize("name", build.SCRIPTS)
def test_a_library_can_stand_inside_a_page(name: str) -> None:
    """Neither may its text end the script, nor may a browser change it before it is hashed."""
    text = (VENDOR / name).read_bytes().decode("utf-8")
    assert "</script" not in text.lower()
    assert "<!--" not in text
    assert "\r" not in text


def test_a_page_without_boards_is_still_a_page() -> None:
    assert Reader(html(Results(), [])).scripts[0] == "[]"


def test_gaps_and_single_scores_are_shown_as_such() -> None:
    page = html(Results(), [sized(1, 1)])
    assert "needs two tasks and two encoders" in page
    assert html(Results(), [sized(6, 4, gaps=0.5)]).count('<td data-order="">–</td>') > 3


def test_coefficients_are_those_of_numpy_with_errors_turned() -> None:
    one = sized(30, 6)
    drawn = figures(one)
    for first, second in ((0, 1), (0, 4), (2, 5)):
        columns = [one.columns[first], one.columns[second]]
        scores = np.array([[one.cells[row.encoder, each.name].value for each in columns] for row in one.rows])
        sign = np.prod([-1 if each.direction == "lower" else 1 for each in columns])
        count, pearson, *_ = drawn["pairs"][f"{first}-{second}"]
        assert count == 30
        assert pearson[0] == pytest.approx(sign * np.corrcoef(scores.T)[0, 1], abs=1e-4)


@pytest.mark.parametrize("encoders", range(1, 7))
def test_coefficients_over_few_encoders_are_there_or_say_nothing(encoders: int) -> None:
    count, *spans = figures(sized(encoders, 2))["pairs"]["0-1"]
    assert count == encoders
    for value, low, high in spans:
        assert value is None if encoders < 3 else low <= value <= high


def test_intervals_of_errors_keep_their_order_when_turned() -> None:
    for points in figures(sized(4, 6))["scores"]:
        assert all(low < value < high for value, low, high, _ in points)


# Pictures


def test_pictures_stand_in_the_page_drawn_anew(tmp_path: Path) -> None:
    results, one = pictured(sized(2, 3), tmp_path)
    found, problems = pictures(results, [one])
    assert problems == []
    assert len(found) == 3
    assert all(shown.address.startswith("data:image/webp;base64,UklGR") for shown in found.values())
    assert html(results, [one]).count("<figure><img src=") == 3


def test_a_picture_that_the_record_does_not_name_is_left_out(tmp_path: Path) -> None:
    results, one = pictured(sized(1, 1), tmp_path)
    (tmp_path / "shown.png").write_bytes(b"something else")
    found, problems = pictures(results, [one])
    assert found == {}
    assert "is not the file that the record names" in problems[0]
    (tmp_path / "shown.png").unlink()
    assert "shown.png" in pictures(results, [one])[1][0]


def test_a_file_that_is_no_picture_is_left_out(tmp_path: Path) -> None:
    results, one = pictured(sized(1, 1), tmp_path)
    (tmp_path / "shown.png").write_bytes(b"GIF89a")
    facts = results.records[0].picture.model_copy(update={"sha256": hashlib.sha256(b"GIF89a").hexdigest()})  # type: ignore[union-attr]
    record = results.records[0].model_copy(update={"picture": facts})
    name = one.rows[0].encoder, one.columns[0].name
    cells = {name: build.Cell(0.5, None, None, None, record=record)}
    changed = type(one)(one.source, one.protocol, None, one.columns, one.rows, cells, one.common)
    assert "the picture of" in pictures(Results((record,), (tmp_path,)), [changed])[1][0]


def test_pictures_stop_where_the_page_would_grow_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results, one = pictured(sized(1, 4), tmp_path)
    monkeypatch.setattr("virb.leaderboard.page.pictures.BUDGET", 1)
    found, problems = pictures(results, [one])
    assert len(found) == 1
    assert problems == ["3 more pictures, which would make the page too large; they lie beside their records"]


# Size and command


def test_two_hundred_encoders_on_twenty_five_tasks_make_a_small_page() -> None:
    """What it costs is a benchmark: `virb bench board`."""
    page = html(Results(), [sized(200, 25, gaps=0.05)])
    assert len(page.encode()) + BUDGET < 15e6


def test_the_bench_prints_what_a_table_and_a_page_cost(capsys: pytest.CaptureFixture[str]) -> None:
    compare(3, 4, rounds=1)
    said = capsys.readouterr().out
    assert "3 encoders x 4 tasks: 12 records" in said
    assert re.search(r"table +\d+\.\d s of CPU", said)
    assert re.search(r"page +\d+\.\d s of CPU, best of 1, \d+\.\d MB", said)


def test_the_command_writes_the_page_it_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "deep" / "board.html"
    assert main(["leaderboard", "--records", "paper2021", "--format", "html", "--out", str(page)]) == 0
    assert capsys.readouterr().out.strip() == str(page)
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_folder_gets_a_page_of_the_usual_name(tmp_path: Path) -> None:
    assert main(["leaderboard", "--records", "paper2021", "--format", "html", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "leaderboard.html").is_file()


def test_a_page_without_its_format_is_a_mistake_with_a_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["leaderboard", "--records", "paper2021", "--out", "board.html"]) == 2
    assert "add --format html" in capsys.readouterr().err


def test_a_missing_template_engine_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(name) if name == "jinja2" else import_module(name)

    monkeypatch.setattr(build, "import_module", absent)
    with pytest.raises(VirbError, match=re.escape("pip install 'virb[page]'")):
        html(Results(), [])
