"""The command line of figures: what it writes, and what it says where there is nothing to draw."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from virb.cli import main


def told(capsys: pytest.CaptureFixture[str], line: list[str], code: int) -> str:
    """Run a command that must fail, and return what it says, which has three parts and no traceback."""
    assert main(line) == code
    text = capsys.readouterr().err
    assert "Expected: " in text
    assert "What to do: " in text
    assert "Traceback" not in text
    return text


def test_correlations_of_the_paper_are_a_picture_a_drawing_and_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plot", "correlations", "--records", "paper2021", "--out", str(tmp_path)]) == 0
    names = ["correlations.png", "correlations.svg", "correlations.csv"]
    assert capsys.readouterr().out.split() == [str(tmp_path / name) for name in names]
    with open(tmp_path / "correlations.csv", newline="") as stream:
        rows = {row["task"]: row for row in csv.DictReader(stream)}
    assert len(rows) == 19
    assert float(rows["thor_egomotion"]["pearson_high"]) < 0
    assert rows["nyu_depth"]["negated"] == "True"


@pytest.mark.parametrize("kind", ["tasks", "profile", "ranks"])
def test_a_file_name_chooses_the_format(kind: str, tmp_path: Path) -> None:
    place = tmp_path / "figure.svg"
    assert main(["plot", kind, "-r", "paper2021", "--out", str(place), "--tasks", "structural"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["figure.svg"]
    assert "<text" in place.read_text(encoding="utf-8")


def test_an_extra_task_can_be_the_reference(tmp_path: Path) -> None:
    line = ["plot", "correlations", "-r", "paper2021", "--reference", "imagenetv2", "--tasks", "dtd"]
    assert main([*line, "--out", str(tmp_path / "x.svg")]) == 0
    assert (tmp_path / "x.csv").read_text().splitlines()[1].startswith("dtd,image-semantic,top1,False,imagenetv2,28,")


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        (["correlations", "--reference", "imagenett"], 2, "did you mean 'imagenet'?"),
        (["correlations", "--above", "0.74"], 1, "encoders that have a score on imagenet above 0.74: 1"),
        (["correlations", "--tasks", "imagenet"], 1, "imagenet is the only task here"),
        (["tasks", "--tasks", "dtdd"], 2, "did you mean 'dtd'?"),
        (["tasks", "--tasks", "dtd"], 1, "there is one task here, dtd"),
        (["tasks", "--method", "pearsons"], 2, "spearman"),
        (["profile", "--encoder", "e26-SWAV_80"], 2, "did you mean 'e26-SWAV_800'?"),
        (["ranks", "--source", "sample"], 1, "nothing that was read is of source sample"),
        (["ranks", "--source", "real-ish"], 2, "real, sample or published"),
        (["ranks", "--out", "x.pdf"], 2, "x.png"),
        (["curves", "--task", "dtd"], 1, "no record of dtd here holds a curve"),
        (["curves", "--task", "image"], 2, "one task"),
    ],
)
def test_a_mistake_is_told_with_what_is_there(
    line: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words in told(capsys, ["plot", line[0], "-r", "paper2021", *line[1:]], code)


def test_an_empty_folder_and_none_at_all_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told(capsys, ["plot", "ranks", "-r", str(tmp_path)], 1)
    told(capsys, ["plot", "ranks", "-r", str(tmp_path / "nowhere")], 2)
