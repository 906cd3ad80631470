"""The command line over tasks and encoders, listed and shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from commands import Run, assert_three_parts, own_task

from virb.core.paths import card_folder

pytestmark = pytest.mark.usefixtures("as_it_was")


# Tasks, encoders and their JSON


def test_tasks_are_listed_with_group_and_metric(run: Run) -> None:
    done = run("tasks")
    assert done.code == 0
    assert done.out == run("tasks", "list").out
    line = next(line for line in done.out.splitlines() if line.startswith("dtd "))
    assert line.split()[:4] == ["dtd", "image-semantic", "top1", "yes"]


def test_encoders_are_listed_with_their_weights(run: Run) -> None:
    done = run("encoders")
    assert done.code == 0
    assert done.out == run("encoders", "list").out
    assert next(line for line in done.out.splitlines() if line.split()[:1] == ["color"]).split() == [
        "color",
        "none",
        "yes",
    ]


@pytest.mark.parametrize("line", ["tasks --json", "tasks list --json", "tasks --json list"])
def test_the_json_of_tasks_names_every_task(run: Run, line: str) -> None:
    done = run(*line.split())
    rows = {row["task"]: row for row in json.loads(done.out)}
    assert done.code == 0
    assert (rows["dtd"]["group"], rows["dtd"]["metric"]) == ("image-semantic", "top1")


@pytest.mark.parametrize("line", ["encoders --json", "encoders list --json", "encoders --json list"])
def test_the_json_of_encoders_names_every_encoder(run: Run, line: str) -> None:
    done = run(*line.split())
    assert done.code == 0
    assert {row["name"]: row["weights"] for row in json.loads(done.out)}["color"] == "baseline:color"


def test_a_task_is_shown_as_a_card_that_says_the_same(run: Run) -> None:
    done = run("tasks", "show", "dtd")
    shown = yaml.safe_load(done.out)
    assert done.code == 0
    assert shown == yaml.safe_load((card_folder("tasks") / "dtd.yaml").read_text())
    whole = json.loads(run("tasks", "show", "dtd", "--json").out)
    assert whole["published"].pop("crop") is None
    assert whole == {**whole, **shown}
    assert whole["frames"] == 1


@pytest.mark.parametrize("encoder", ["color", "random:resnet18"])
def test_an_encoder_is_shown_as_a_card(run: Run, encoder: str) -> None:
    done = run("encoders", "show", encoder)
    assert done.code == 0
    shown = yaml.safe_load(done.out)
    assert shown["weights"] == ("baseline:color" if encoder == "color" else encoder)
    assert json.loads(run("encoders", "show", encoder, "--json").out)["weights"] == shown["weights"]


@pytest.mark.parametrize(
    ("line", "hint"),
    [("tasks show clevr", "clevr_count"), ("encoders show pixel", "pixels"), ("tasks show DTD", "dtd")],
)
def test_showing_an_unknown_card_is_answered_with_the_nearest_name(run: Run, line: str, hint: str) -> None:
    done = run(*line.split())
    assert done.code == 2
    assert f"did you mean '{hint}'?" in done.err
    assert_three_parts(done.err)


def test_a_task_card_of_the_users_own_can_be_shown_like_an_encoder_card(run: Run) -> None:
    own_task("mine", title="My own")
    Path("net.yaml").write_text("name: net\ntitle: Net\nweights: random:resnet18\n")
    assert run("encoders", "show", "net.yaml").code == 0
    assert run("tasks", "show", "mine.yaml").code == 0
