"""What strangers wrote, on its way to the terminal: nothing of it moves a cursor, turns letters or fills the screen."""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
import unicodedata
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from commands import FAST, Run, make_dtd
from safetensors.torch import save_file

from virb.core.once import Stderr
from virb.core.progress import Bars, Lines
from virb.core.text import brief, printable

EVIL = "\x1b[2J\x1b]0;owned\x07\x9b31m\N{RIGHT-TO-LEFT OVERRIDE}gnp\N{LEFT-TO-RIGHT ISOLATE}\r\b"
"""Clears a screen, names a window, rings, colours, turns letters round, goes back over what was said."""
LONG = "x" * 5_000_000
ON_DTD = ("--tasks", "dtd", *FAST, "--data")
ROOT = Path(__file__).parents[2]


def assert_harmless(said: str) -> None:
    bad = {letter for letter in said if unicodedata.category(letter).startswith("C")} - {"\n", "\t"}
    assert not bad, sorted(map(hex, map(ord, bad)))
    assert len(said) < 500_000


def checkpoint(name: str, place: Path) -> list[object]:
    torch.save({"state_dict": {f"{name}{row}": torch.zeros(2) for row in range(3)}, name: 1}, place / "a.pt")
    return ["encoders", "inspect", place / "a.pt"]


def evaluated(name: str, place: Path) -> list[object]:
    checkpoint(name, place)
    return ["evaluate", "--encoder", place / "a.pt", *ON_DTD, make_dtd(place / "data")]


def safe_tensors(name: str, place: Path) -> list[object]:
    save_file({name: torch.zeros(2)}, place / "a.safetensors", {name: name})
    return ["encoders", "inspect", place / "a.safetensors"]


def pickled_class(name: str, place: Path) -> list[object]:
    line = name.replace("\n", "").replace("\r", "").encode()
    (place / "a.pt").write_bytes(b"\x80\x02c" + line + b"\n" + line + b"\n)R.")
    return ["encoders", "inspect", place / "a.pt"]


def card_key(name: str, place: Path) -> list[object]:
    (place / "a.yaml").write_text(f"name: a\nweights: random:resnet18\n{json.dumps(name)}: 1\n")
    return ["check", place / "a.yaml"]


def card_weights(name: str, place: Path) -> list[object]:
    (place / "a.yaml").write_text(f"name: a\nweights: {json.dumps('timm:' + name)}\n")
    return ["evaluate", "--encoder", place / "a.yaml", *ON_DTD, make_dtd(place / "data")]


def card_title(name: str, place: Path) -> list[object]:
    (place / "a.yaml").write_text(f"name: a\ntitle: {json.dumps(name)}\nweights: baseline:color\n")
    return ["plan", "--encoder", place / "a.yaml", *ON_DTD, make_dtd(place / "data")]


def python_error(name: str, place: Path) -> list[object]:
    (place / "a.py").write_text(f"def make():\n    raise RuntimeError({name!r})\n")
    return ["evaluate", "--encoder", f"{place / 'a.py'}:make", *ON_DTD, make_dtd(place / "data")]


def python_warning(name: str, place: Path) -> list[object]:
    (place / "a.py").write_text(f"import warnings\ndef make():\n    warnings.warn({name!r})\n    return None\n")
    return ["evaluate", "--encoder", f"{place / 'a.py'}:make", *ON_DTD, make_dtd(place / "data")]


def data_folder(name: str, place: Path) -> list[object]:
    (place / "dtd" / name.replace("/", "")[:50]).mkdir(parents=True)
    return ["data", "verify", "dtd", "--data", place]


def record_file(name: str, place: Path) -> list[object]:
    (place / f"{name[:50]}.json").write_text(json.dumps({name: name}))
    return ["leaderboard", "--records", place]


def bundle(name: str, place: Path) -> list[object]:
    (place / f"{name[:50]}.zip").write_bytes(b"PK")
    return ["verify", place / f"{name[:50]}.zip"]


def wrong_usage(name: str, place: Path) -> list[object]:
    return ["verify", f"--{name}"]  # as `virb verify *` gives it, where a file is named so


HANDED_IN = [
    checkpoint, evaluated, safe_tensors, pickled_class, card_key, card_weights, card_title, python_error,
    python_warning, data_folder, record_file, bundle, wrong_usage,
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # pytest itself would print them whole
@pytest.mark.parametrize("name", [EVIL, LONG], ids=["evil", "long"])
@pytest.mark.parametrize("hand_in", HANDED_IN, ids=lambda hand_in: hand_in.__name__)
def test_nothing_that_strangers_wrote_acts_on_the_terminal_or_fills_it(
    run: Run, tmp_path: Path, hand_in: Callable[[str, Path], list[object]], name: str
) -> None:
    place = tmp_path / "handed in"
    place.mkdir()
    done = run(*hand_in(name, place))
    assert done.said
    assert "Traceback" not in done.said
    assert_harmless(done.said)


def test_notes_and_warnings_of_every_kind_are_cleaned(capsys: pytest.CaptureFixture[str]) -> None:
    Lines().say(EVIL)
    Bars().say(EVIL)
    with Lines().stage(EVIL, 1, EVIL) as advance:
        advance(1)
    with warnings.catch_warnings():
        Stderr().emit(logging.LogRecord("torch", logging.WARNING, "", 0, EVIL + LONG, None, None))
    said = capsys.readouterr().err
    assert said.count("owned") >= 4
    assert_harmless(said)


def test_a_bar_does_not_draw_the_controls_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    bars, drawn = Bars(), io.StringIO()
    bars.console = Console(file=drawn, force_terminal=False, width=200)
    with bars.stage(EVIL, 1, "images") as advance:
        advance(1)
    assert "owned" in drawn.getvalue()
    assert_harmless(drawn.getvalue())


def test_a_traceback_is_cleaned_too(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "virb", "--debug", *map(str, card_weights(EVIL, tmp_path))],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode
    assert "Traceback" in done.stderr
    assert_harmless(done.stderr)


def test_the_command_line_prints_through_one_function() -> None:
    printing = re.compile(r"typer\.echo|click\.echo|(?<![\w.])print\(|secho|sys\.std(out|err)\.write")
    found = {path.name for path in (ROOT / "virb" / "cli").glob("*.py") if printing.search(path.read_text())}
    assert found == {"printing.py"}


def test_lines_and_columns_of_a_table_stay_as_they_are() -> None:
    table = "name     value\n-------  -----\nresnet  \t  0.1\n\närger 網 é\n"
    assert printable(table) == table
    assert brief(table) == table


def test_a_long_message_keeps_its_end_which_says_what_to_do() -> None:
    said = brief("\n".join(["missing: " + LONG, *map(str, range(10_000)), "What to do: fetch it again"]))
    assert said.endswith("What to do: fetch it again")
    assert "9,802 lines more" in said
    assert len(said) < 10_000
