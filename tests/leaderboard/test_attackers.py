"""Somebody who chooses every field of a record, and of the samples beside it, moves nothing of anybody else's.

Not a value, an interval or a note of another encoder, and not a title, unit, direction, floor or quadrant of a column.
What is claimed in the name of another's very encoder is a question of whose record stands: tests of records ask it.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from honest import COUNT, ENCODERS, TASKS, lay_honest, made, with_samples

from virb.checks.bench.records import TaskSplit, hits
from virb.core.npz import read_arrays
from virb.leaderboard import boards, render
from virb.records.load import load
from virb.records.record import Record

Leaf = tuple[str | int, ...]
COMBINATIONS = 150


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the results of two encoders; each test leaves them as they were."""
    out = tmp_path_factory.mktemp("honest")
    lay_honest(out)
    return out


@pytest.fixture(scope="module")
def before(honest: Path) -> dict[str, Any]:
    return seen(honest)


def seen(out: Path) -> dict[str, Any]:
    """Return all that boards say of the honest encoders and of the columns they stand in."""
    found: dict[str, Any] = {}
    for board in boards(load([out])):
        mine = {row.encoder: row for row in board.rows if PRINTS.get(row.fingerprint) == row.facts.name}
        for row in mine.values():
            facts = row.facts.model_dump_json()  # type: ignore[union-attr]
            found[f"{PRINTS[row.fingerprint]} is"] = facts
            for column in board.columns:
                if cell := board.cells.get((row.encoder, column.name)):
                    replicates = None if cell.replicates is None else cell.replicates.tobytes()
                    shown = (cell.value, cell.low, cell.high, cell.units, cell.overlap, cell.frozen, cell.note)
                    found[f"{PRINTS[row.fingerprint]} on {column.name}"] = (*shown, replicates)
                    found[column.name] = (board.title, column)
        told = [*board.left_out, *board.notes] if mine else []
        found |= {text: "said" for text in told if text.startswith(tuple(f"{name} " for name in ENCODERS))}
    return found


PRINTS = {f"{name:0<32.32}": name for name in ENCODERS}


@pytest.fixture
def attack(honest: Path) -> Iterator[Path]:
    """Return where an attacker puts files, which are read before all others; nothing of them stays."""
    place = honest / "records" / "aa-evil"
    place.mkdir()
    yield place
    shutil.rmtree(place)


def put(place: Path, content: dict[str, Any], files: dict[str, bytes]) -> None:
    (place / "evil.json").write_text(json.dumps(content))
    for name, data in files.items():
        (place / name).write_bytes(data)


def forged(task: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    record, files = made("evil", task, 0.9)
    return record.model_dump(mode="json"), files


def leaves(content: Any, place: Leaf = ()) -> Iterator[Leaf]:
    """Yield every field that a record has; a list of numbers is one."""
    if isinstance(content, dict) and content:
        for name, inner in content.items():
            yield from leaves(inner, (*place, name))
    elif isinstance(content, list) and content and isinstance(content[0], dict):
        yield from leaves(content[0], (*place, 0))
    else:
        yield place


def at(content: Any, place: Leaf) -> Any:
    for part in place:
        content = content[part]
    return content


def set_at(content: Any, place: Leaf, value: object) -> None:
    at(content, place[:-1])[place[-1]] = value


WORDS = ["", "sample", "lower", "higher", "px", "pixel", "image", "structural", "mae", "published", "alpha", "dtd"]
WORDS += ["nyu_depth", "quick", "**x**", "0" * 32, "2999-01-01T00:00:00+00:00", "f" * 32]


def hostile(value: Any, dice: random.Random) -> list[Any]:
    """Return what somebody might write in the place of a value."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [0, -1, value + 1, 10**9]
    if isinstance(value, float):
        return [0.0, -1.0, 0.999, 1e9]
    if isinstance(value, str):
        return dice.sample(WORDS, 4)
    if isinstance(value, list):
        return [[], [0.999] * len(value), value * 2]
    return [{}, None, 1, "x"]


def stolen(content: dict[str, Any], mine: list[Record]) -> bool:
    """Tell whether a record is written in the name of another's very encoder, or of its very run."""
    who, resume = content["encoder"], content["keys"]["resume"]
    return any(
        who["fingerprint"] == one.encoder.fingerprint or (who["name"], resume) == (one.encoder.name, one.keys.resume)
        for one in mine
    )


@pytest.mark.parametrize("task", TASKS)
def test_no_single_field_of_a_record_moves_anything_of_others(
    honest: Path, before: dict[str, Any], attack: Path, task: str
) -> None:
    content, files = forged(task)
    dice = random.Random(task)
    accepted = 0
    for place in leaves(content):
        changed = deepcopy(content)
        set_at(changed, place, dice.choice(hostile(at(content, place), dice)))
        put(attack, changed, files)
        assert seen(honest) == before, (place, at(changed, place))
        accepted += len(load([honest]).records) == len(ENCODERS) * len(TASKS) + 1
    assert accepted > 20, "most fields are free text, and such a record is taken"


@pytest.mark.parametrize("seed", range(COMBINATIONS // 50))
def test_no_combination_of_fields_moves_anything_of_others(
    honest: Path, before: dict[str, Any], attack: Path, seed: int
) -> None:
    dice = random.Random(seed)
    mine = [made(name, task, chance)[0] for name, chance in ENCODERS.items() for task in TASKS]
    for _ in range(50):
        content, files = forged(dice.choice(TASKS))
        others = [one.model_dump(mode="json") for one in mine]
        places = list(leaves(content))
        for place in dice.sample(places, dice.randint(2, 8)):
            copied = dice.choice(others)
            try:  # either what another record says there, or anything
                value = at(copied, place) if dice.random() < 0.4 else dice.choice(hostile(at(content, place), dice))
                set_at(content, place, value)
            except (KeyError, IndexError, TypeError):
                continue
        if not stolen(content, mine):
            put(attack, content, files)
            assert seen(honest) == before, content


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("floor", [0.0, 0.5, 1.0])
def test_no_statistics_of_ones_own_choice_move_anything_of_others(
    honest: Path, before: dict[str, Any], attack: Path, task: str, floor: float
) -> None:
    """The floor follows from the samples beside the record, and is still not what the same data give everybody."""
    record, files = made("evil", task, 0.9)
    ((name, content),) = files.items()
    arrays = read_arrays(content)
    key = f"floor.{record.score.metric}"
    arrays[key] = np.stack([np.full(COUNT, floor), np.ones(COUNT)], axis=-1)
    changed = record.model_copy(update={"floor": record.floor.model_copy(update={"value": floor})})
    again, files = with_samples(changed, name, arrays)
    put(attack, again.model_dump(mode="json"), files)
    assert len(load([honest]).records) == len(ENCODERS) * len(TASKS) + 1
    assert seen(honest) == before


@pytest.mark.parametrize("lost", [1, 30])
def test_samples_that_are_left_out_on_purpose_move_nobodys_score(
    honest: Path, before: dict[str, Any], attack: Path, lost: int
) -> None:
    """Who lacks just the samples that another one has right must not take them from him."""
    record, files = made("evil", "own_textures", 0.9)
    ((name, content),) = files.items()
    arrays = {key: array[lost:] if array.ndim < 3 else array[:, lost:] for key, array in read_arrays(content).items()}
    value = float(arrays["statistics.top1"][0, :, 0].mean())
    shifted = (np.asarray(record.replicates) - record.score.value + value).tolist()
    score = record.score.model_copy(
        update={
            "value": value,
            "low": record.score.low - record.score.value + value,
            "high": record.score.high - record.score.value + value,
        }
    )
    below = record.floor.model_copy(update={"value": float(arrays["floor.top1"][:, 0].mean())})
    data = record.data.model_copy(update={"digest": "e" * 32, "counts": {"train": 5, "val": 2, "test": COUNT - lost}})
    changed = record.model_copy(
        update={
            "score": score,
            "seeds": [value],
            "replicates": shifted,
            "floor": below,
            "data": data,
            "keys": record.keys.model_copy(update={"comparison": "e" * 32, "data": "e" * 32}),
        }
    )
    again, files = with_samples(changed, name, arrays)
    put(attack, again.model_dump(mode="json"), files)
    assert len(load([honest]).records) == len(ENCODERS) * len(TASKS) + 1, load([honest]).problems
    assert seen(honest) == before


def test_a_task_that_nobody_else_has_adds_a_column_and_changes_none(
    honest: Path, before: dict[str, Any], attack: Path
) -> None:
    record, files = made("evil", "own_textures", 0.9)
    other = record.model_copy(update={"task": record.task.model_copy(update={"name": "dtd_2", "kind": "structural"})})
    put(attack, other.model_dump(mode="json"), files)
    assert seen(honest) == before
    (board,) = boards(load([honest]))
    assert "dtd_2" in {column.name for column in board.columns}
    assert "dtd_2" in render([board], "table", by="task")


def test_the_honest_folder_is_whole_and_says_what_it_should(before: dict[str, Any]) -> None:
    assert {f"{name} on {task}" for name in ENCODERS for task in TASKS} <= set(before)
    assert set(TASKS) <= set(before)
    split = TaskSplit("dtd", samples=COUNT)
    right = hits(split, ENCODERS["alpha"], 3, sum(map(ord, "alpha")))[0, :, 0].mean()
    assert before["alpha on dtd"][0] == pytest.approx(right)
