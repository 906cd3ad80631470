"""Custom: encoders in python files and in packages, and pixel tasks that an encoder without maps cannot be asked."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

import virb
from virb.cards import encoder_names, plugins, select
from virb.cli import main
from virb.core.errors import CheckpointError, UsageError, VirbError

PLAIN = """
import torch
from helper import WIDTH

class Plain:
    mean = (0.5, 0.5, 0.5)
    size = 64

    def __init__(self):
        self.net = torch.nn.Conv2d(3, WIDTH, 4, 4)

    def embed(self, images):
        return self.net(images).mean((2, 3))

    def maps(self, images):
        return [self.net(images), torch.nn.functional.avg_pool2d(self.net(images), 2)]
"""
FLAT = """
class Flat:
    def embed(self, images):
        return images.mean((2, 3))
"""


def write(folder: Path, text: str, name: str = "mine.py") -> str:
    (folder / "helper.py").write_text("WIDTH = 8\n")
    (folder / name).write_text(text)
    return str(folder / name)


def test_a_class_in_a_file_is_an_encoder_with_its_view_and_maps(tmp_path: Path) -> None:
    encoder = virb.Encoder(write(tmp_path, PLAIN))
    assert encoder.card.name == "mine"
    assert (encoder.mean, encoder.fixed_size) == ((0.5, 0.5, 0.5), 64)
    assert encoder.shape.maps == ((8, 4), (8, 8))
    pooled, maps = encoder(torch.zeros(2, 3, 64, 64), maps=True)
    assert pooled.shape == (2, 8)
    assert [tuple(level.shape) for level in maps] == [(2, 8, 16, 16), (2, 8, 8, 8)]
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_the_name_after_the_colon_chooses_and_a_function_may_make_a_module(tmp_path: Path) -> None:
    text = PLAIN + FLAT + "def made():\n    return torch.nn.Flatten()\n"
    file = write(tmp_path, text)
    assert virb.Encoder(f"{file}:Flat").shape.maps == ()
    assert virb.Encoder(f"{file}:made").card.name == "mine-made"
    with pytest.raises(UsageError, match="2 classes"):
        virb.Encoder(file)
    with pytest.raises(UsageError, match="did you mean 'Plain'"):
        virb.Encoder(f"{file}:Plane")


def test_weights_that_a_class_draws_are_the_same_in_every_run_and_disturb_nobody(tmp_path: Path) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = virb.Encoder(write(tmp_path, PLAIN))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert virb.Encoder(write(tmp_path, PLAIN)).fingerprint == first.fingerprint


def test_the_fingerprint_covers_source_answer_and_weights(tmp_path: Path) -> None:
    original = virb.Encoder(write(tmp_path, PLAIN)).fingerprint
    other = virb.Encoder(write(tmp_path, PLAIN + "\n# another text\n")).fingerprint
    assert other != original, "the source"
    (tmp_path / "helper.py").write_text("WIDTH = 9\n")
    sys.modules.pop("helper", None)
    (tmp_path / "mine.py").write_text(PLAIN)
    assert virb.Encoder(str(tmp_path / "mine.py")).fingerprint != original, "the answer, by a file beside it"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("def embed(self, images):\n        return images", "embed() returned (1, 3, 96, 96)"),
        ("def embed(self, images):\n        return 3", "embed() returned int"),
        ("def embed(self, images):\n        raise RuntimeError('no weights')", "no weights"),
        ("mean = 3\n    def embed(self, images):\n        return images.mean((2, 3))", "mean is 3"),
        ("def __init__(self):\n        1 / 0\n    def embed(self, images):\n        pass", "ZeroDivisionError"),
        (
            "def embed(self, images):\n        return images.mean((2, 3))\n    def maps(self, _):\n        return [3]",
            "maps()",
        ),
    ],
)
def test_a_class_that_fails_is_named_without_a_traceback(tmp_path: Path, body: str, words: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        virb.Encoder(write(tmp_path, f"class Mine:\n    {body}\n"))
    assert words in str(caught.value)
    assert "What to do:" in str(caught.value)


def test_a_file_that_is_no_python_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no Python"):
        suite_check(write(tmp_path, "class Mine(:\n"))
    marker = tmp_path / "ran"
    suite_check(write(tmp_path, f"open({str(marker)!r}, 'w')\n" + FLAT))
    assert not marker.exists(), "looking whether the class is there runs nothing"


def suite_check(file: str) -> None:
    from virb.encode.load import check_encoder

    check_encoder(encoder_names.encoder_card(file))


def test_an_encoder_from_python_takes_a_name_and_a_view() -> None:
    encoder = virb.Encoder("random:resnet18", name="mine", mean=(0.1, 0.2, 0.3))
    assert (encoder.card.name, encoder.mean) == ("mine", (0.1, 0.2, 0.3))
    module = virb.Encoder(nn.Flatten(), name="flat", size=16)
    assert (module.card.name, module.fixed_size, module.shape.width) == ("flat", 16, 768)
    with pytest.raises(VirbError, match="there is no encoder"):
        virb.Encoder("nope")


def test_pixel_tasks_of_a_group_are_left_out_where_there_are_no_maps_and_named_ones_fail(
    small_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, FLAT)
    line = ["evaluate", "-e", file, "--data", str(small_world), "--protocol", "quick", "--seeds", "1", "--workers", "0"]
    line += ["--out", str(tmp_path / "out"), "--limit", "20"]
    assert main([*line, "--tasks", "dtd,pixel-semantic"]) == 0
    said = capsys.readouterr().err
    assert "left out: mine on cityscapes, egohands, pets_seg\n" in said
    assert said.count("need maps") == 1
    assert main([*line, "--tasks", "dtd,pets_seg"]) == 1
    assert "FAILED: mine on pets_seg" in capsys.readouterr().err
    record = next((tmp_path / "out").rglob("dtd*.json")).read_text()
    assert str(tmp_path) not in record, "folders of this machine are nobody's business"


# Packages


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder of installed packages; what is written there is found as if pip had put it there."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for cached in (plugins._points, select.added):
        cached.cache_clear()
    yield tmp_path
    for cached in (plugins._points, select.added):
        cached.cache_clear()
    for name in [name for name in sys.modules if name.startswith("lab_")]:
        del sys.modules[name]


def install(folder: Path, owner: str, points: str, **files: str) -> None:
    (folder / f"{owner}-1.dist-info").mkdir()
    (folder / f"{owner}-1.dist-info" / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {owner}\nVersion: 1\n")
    (folder / f"{owner}-1.dist-info" / "entry_points.txt").write_text(points)
    for name, text in files.items():
        place = folder / name.replace("__", "/").replace("_dot_", ".")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


CARD = "name: {}\ntitle: {}\nweights: random:resnet18@{}\nmethod: ours\npretraining: none\n"


def test_a_package_adds_classes_cards_and_tasks(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = select.TASKS.path("dtd").read_text().replace("name: dtd", "name: lab_dtd") + "extra: true\n"
    install(
        package,
        "lab_one",
        "[virb.encoders]\nlab_flat = lab_code:Flat\nlab_cards = lab_cards\n[virb.tasks]\nlab_cards = lab_cards.tasks\n",
        lab_code_dot_py=FLAT,
        lab_cards____init___dot_py="",
    )
    (package / "lab_cards" / "tasks").mkdir(parents=True)
    (package / "lab_cards" / "__init__.py").write_text("")
    (package / "lab_cards" / "lab_net.yaml").write_text(CARD.format("lab_net", "Lab", 3))
    (package / "lab_cards" / "tasks" / "lab_dtd.yaml").write_text(task)
    assert virb.Encoder("lab_flat").shape.width == 3
    assert virb.Encoder("lab_net").arch == "resnet18"
    assert select.task("lab_dtd").extra
    assert main(["encoders", "list"]) == 0
    assert "lab_flat" in capsys.readouterr().out
    assert main(["tasks"]) == 0
    assert "lab_dtd" in capsys.readouterr().out
    assert "lab_dtd" not in {one.name for one in select.select_tasks("all").tasks}


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ("[virb.encoders]\nlab = lab_nowhere\n", "no package of this name"),
        ("[virb.encoders]\nlab = lab_nowhere.cards\n", "No module named"),
        ("[virb.tasks]\nlab = lab_code:Flat\n", "a task is a card"),
        ("[virb.encoders]\ncolor = lab_code:Flat\n", "taken by virb itself"),
    ],
)
def test_a_broken_package_is_named_and_left_out(
    package: Path, caplog: pytest.LogCaptureFixture, points: str, words: str
) -> None:
    install(package, "lab_broken", points)
    with caplog.at_level(logging.WARNING):
        names = [card.name for card in encoder_names.all_encoders()] + [task.name for task in select.all_tasks()]
    assert "lab" not in names
    assert encoder_names.encoder_card("color").weights == "baseline:color"
    assert "lab_broken" in caplog.text
    assert words in caplog.text


def test_a_card_of_a_package_that_cannot_be_read_is_left_out(package: Path, caplog: pytest.LogCaptureFixture) -> None:
    install(package, "lab_one", "[virb.encoders]\nlab_cards = lab_cards\n[virb.tasks]\nlab_cards = lab_cards\n")
    (package / "lab_cards").mkdir()
    (package / "lab_cards" / "__init__.py").write_text("")
    (package / "lab_cards" / "lab_bad.yaml").write_text("name: other\n")
    (package / "lab_cards" / "lab_dtd.yaml").write_text(
        select.TASKS.path("dtd").read_text().replace("name: dtd", "name: lab_dtd")
    )
    assert "lab_bad" not in select.added("encoders").by_name
    assert not select.added("tasks").by_name
    assert "extra: true" in caplog.text


def test_a_name_that_two_packages_give_belongs_to_neither(package: Path, caplog: pytest.LogCaptureFixture) -> None:
    for owner in ("lab_one", "lab_two"):
        install(package, owner, "[virb.encoders]\nlab_flat = lab_code:Flat\n", lab_code_dot_py=FLAT)
    assert not select.added("encoders").by_name
    assert "taken by lab_one" in caplog.text


def test_a_class_of_a_package_that_fails_fails_when_it_is_asked_for(package: Path) -> None:
    install(package, "lab_one", "[virb.encoders]\nlab_late = lab_late:Late\n", lab_late_dot_py="1 / 0\n")
    assert [card.name for card in encoder_names.all_encoders()].count("lab_late") == 1
    with pytest.raises(CheckpointError, match="ZeroDivisionError"):
        virb.Encoder("lab_late")
