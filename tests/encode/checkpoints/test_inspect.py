"""virb encoders inspect: what a stranger reads of a file, and what a script does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from authors import resnet, saved, vit
from authors_resnets import moco_v1_v2
from authors_vits import dino

from virb.cli import main


def test_a_report_names_prefix_architecture_heads_and_the_other_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = moco_v1_v2(tmp_path / "moco.pth.tar", dict(resnet().state_dict()))
    assert main(["encoders", "inspect", str(path)]) == 0
    lines = dict(line.split(":", 1) for line in capsys.readouterr().out.splitlines())
    assert lines["prefix"].strip() == "module.encoder_q."
    assert lines["architecture"].strip() == "resnet18"
    assert lines["backbone"].strip() == lines["matched"].strip() == "100"
    assert "module.encoder_k (123)" in lines["dropped"]
    assert "module.queue (1)" in lines["dropped"]
    assert lines["also there"].strip() == "state_dict.module.encoder_k."


def test_a_teacher_is_taken_and_a_student_can_be_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = dino(tmp_path / "dino.pth", dict(vit().state_dict()))
    reports = []
    for more in ([], ["--prefix", "student"]):
        assert main(["encoders", "inspect", str(path), "--json", *more]) == 0
        reports.append(json.loads(capsys.readouterr().out))
    assert [report["container"] for report in reports] == ["torch zip: teacher", "torch zip: student"]
    assert reports[0]["also_there"] == ["student.module.backbone."]
    assert reports[0]["fingerprint"] != reports[1]["fingerprint"]


def test_a_file_that_does_not_load_is_reported_too_and_ends_in_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = dict(vit().state_dict())
    del state["blocks.3.norm1.weight"]
    path = saved(tmp_path / "weights.pth", state)
    assert main(["encoders", "inspect", str(path), "--json"]) == 1
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    assert report["missing"] == ["blocks.3.norm1.weight"]
    assert report["fingerprint"] is None
    assert "blocks.3.norm1.weight" in printed.err
    assert main(["encoders", "inspect", str(path), "--allow-missing", "blocks.3.norm1.*"]) == 0
    assert "allowed:      blocks.3.norm1.weight" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["encoders", "inspect", "random:resnet18"], "is no weights file"),
        (["encoders", "inspect", "random:resnet18", "--arch", "resnet50"], "--arch with random:resnet18"),
        (["encoders", "inspect", "{file}", "--arch", "resnt18"], "did you mean 'resnet18'"),
        (["encoders", "inspect", "{file}", "--prefix", "encoder_x"], "has no backbone behind 'encoder_x'"),
        (["encoders", "inspect", "{file}", "--arch", "resnet34"], "does not fill resnet34, as --arch"),
    ],
)
def test_a_mistake_is_answered_in_three_parts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    path = saved(tmp_path / "weights.pth", dict(resnet().state_dict()))
    assert main([part.format(file=path) for part in arguments]) in (1, 2)  # a file that does not fit, or a wrong option
    printed = capsys.readouterr().err
    assert words in printed
    assert "What to do:" in printed


def test_how_many_tensors_match_is_one_number_in_the_report_and_in_the_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = dict(resnet().state_dict())
    del state["layer1.0.bn1.running_var"]
    path = saved(tmp_path / "weights.pth", state)
    assert main(["encoders", "inspect", str(path), "--json"]) == 1
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    assert f"{report['matched']} of {report['backbone']} backbone tensors match" in printed.err
    assert report["backbone"] - report["matched"] == len(report["missing"]) == 1
