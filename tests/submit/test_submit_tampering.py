"""Tampering: whatever is changed in a bundle, with or without making the hashes right again, it is broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from virb.submit.container import MANIFEST
from virb.submit.verdict import Verdict
from virb.submit.verify import verify

PLAIN, REHASHED = 200, 50
FORGERIES = (
    "value low high seed replicate also floor breakdown resolution unit statistics predictions drop double ids "
    "swap-samples swap-records targets groups"
).split()


def reasons(verdict: Verdict) -> str:
    return "; ".join([*verdict.reasons, *(text for record in verdict.records for text in record.reasons)])


def test_the_bundle_itself_is_consistent_and_says_what_that_cannot_see(bundle: Path) -> None:
    verdict = verify(bundle)
    assert (verdict.verdict, reasons(verdict)) == ("consistent", "")
    assert [record.verdict for record in verdict.records] == ["consistent"] * 4


# Without making hashes right


def leaves(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the place of every value in a JSON document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [leaf for key, inner in items for leaf in leaves(inner, (*place, key))]
    return found or [place]


def other(value: Any, random: np.random.Generator) -> Any:
    """Return another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1 if random.random() < 0.5 else value * 1.001 + 0.001
    if value is None:
        return 0.5
    return f"{value}x" if isinstance(value, str) else [0]


def changed(document: Any, random: np.random.Generator) -> Any:
    """Return a JSON document with one value changed."""
    places = leaves(document)
    place = places[random.integers(len(places))]
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = other(inner[place[-1]], random)
    return document


def mutate(forged: Any, random: np.random.Generator) -> str:
    """Change one thing, and leave every hash as it is."""
    names = list(forged.files)
    kind = random.choice(["byte", "byte", "value", "value", "swap", "cut", "drop", "rename"])
    name = names[random.integers(len(names))]
    records = forged.records
    if kind == "byte":
        content = bytearray(forged.files[name])
        place = random.integers(len(content))
        content[place] ^= int(random.integers(1, 256))
        forged.files[name] = bytes(content)
    elif kind == "value":
        name = random.choice([*records, MANIFEST])
        forged.put_record(name, changed(json.loads(forged.files[name]), random))
    elif kind == "swap":
        one, two = random.choice(records, 2, replace=False)
        forged.files[one], forged.files[two] = forged.files[two], forged.files[one]
    elif kind == "cut":
        forged.files[name] = forged.files[name][: -int(random.integers(1, 20))]
    elif kind == "drop":
        del forged.files[name]
    else:
        forged.files[f"records/other-01234567/a.{name.rsplit('.', 1)[1]}"] = forged.files.pop(name)
    return f"{kind} {name}"


def test_two_hundred_changes_without_new_hashes_are_all_caught(forger: Callable[[], Any]) -> None:
    random, missed = np.random.default_rng(0), []
    for number in range(PLAIN):
        forged = forger()
        what = mutate(forged, random)
        try:
            path = forged.write(rehash=False)
        except KeyError:  # no such file can be written
            continue
        if verify(path).verdict != "broken":
            missed.append(f"{number}: {what}")
    assert missed == []


def test_every_byte_of_the_file_counts_its_headers_too(bundle: Path, tmp_path: Path) -> None:
    random, content = np.random.default_rng(1), bundle.read_bytes()
    headers = [place for place in range(len(content)) if content[place : place + 2] == b"PK"]
    places = [at + int(random.integers(0, 46)) for at in random.choice(headers, 100)]
    places += [*range(len(content) - 22, len(content)), *random.integers(0, len(content), 100).tolist()]
    path, missed = tmp_path / "changed.zip", []
    for place in places:
        if place >= len(content):
            continue
        other_byte = content[place] ^ int(random.integers(1, 256))
        path.write_bytes(content[:place] + bytes([other_byte]) + content[place + 1 :])
        if verify(path).verdict != "broken":
            missed.append(place)
    assert missed == []


@pytest.mark.parametrize("size", [0, 1, 21, 22, 100, -1, -22, -5000])
def test_a_bundle_that_is_cut_off_is_broken(bundle: Path, tmp_path: Path, size: int) -> None:
    path = tmp_path / "cut.zip"
    path.write_bytes(bundle.read_bytes()[:size])
    assert verify(path).verdict == "broken"


@pytest.mark.parametrize("where", ["before", "after", "between"])
def test_bytes_that_belong_to_no_file_are_seen(bundle: Path, tmp_path: Path, where: str) -> None:
    content, path = bundle.read_bytes(), tmp_path / "longer.zip"
    half = content.rindex(b"PK\x01\x02")
    parts = {"before": b"x" + content, "after": content + b"x", "between": content[:half] + b"x" + content[half:]}
    path.write_bytes(parts[where])
    assert verify(path).verdict == "broken"


# With every hash made right again


def shift(random: np.random.Generator) -> float:
    return float(random.choice([-1, 1]) * random.choice([1e-5, 1e-3, 0.05]))


def forge(forged: Any, random: np.random.Generator) -> str:
    """Change what a record claims, or the samples behind it, and make every hash right."""
    name = str(random.choice(forged.records))
    record, arrays = forged.record(name), forged.arrays(name)
    image, primary = record["task"]["level"] == "image", record["score"]["metric"]
    kind = random.choice(FORGERIES)
    count = len(arrays["ids"])
    row = int(random.integers(count))
    if kind in ("value", "low", "high"):
        record["score"][kind] += shift(random)
    elif kind == "seed":
        record["seeds"][int(random.integers(len(record["seeds"])))] += shift(random)
    elif kind == "replicate":
        record["replicates"][int(random.integers(1000))] += shift(random)
    elif kind == "also" and record["also"]:
        other_score = record["also"][str(random.choice(list(record["also"])))]
        other_score[str(random.choice(["value", "low", "high"]))] += shift(random)
    elif kind == "floor":
        record["floor"][str(random.choice(["value", "low", "high"]))] += shift(random)
    elif kind == "breakdown" and record["breakdown"]:
        record["breakdown"][str(random.choice(list(record["breakdown"])))] = 0.987
    elif kind == "resolution" and record["resolution"] is not None:
        record["resolution"] += shift(random)
    elif kind == "unit":
        record["score"]["unit"] = "points"
    elif kind == "predictions" and image:
        wrong = np.argwhere(arrays["predictions"] != arrays["targets"])
        seed, place = wrong[random.integers(len(wrong))]
        arrays["predictions"][seed, place] = arrays["targets"][place]
    elif kind in ("drop", "double"):
        rows = np.delete(np.arange(count), row) if kind == "drop" else np.append(np.arange(count), row)
        arrays = {key: value[..., rows, :] if value.ndim > 1 and "." in key else value[..., rows]
                  for key, value in arrays.items()}  # fmt: skip
        if random.random() < 0.5:
            record["data"]["counts"]["test"] = len(rows)
    elif kind == "ids":
        arrays["ids"][row] = "x" * 3
    elif kind == "groups":
        arrays["groups"][row] += 1 + arrays["groups"].max()
    elif kind == "targets":
        arrays["targets"][row] = (arrays["targets"][row] + 1) % (record["data"]["classes"] if image else count)
    elif kind in ("swap-samples", "swap-records"):
        name2 = str(random.choice([one for one in forged.records if one != name]))
        if kind == "swap-records":
            forged.files[name], forged.files[name2] = forged.files[name2], forged.files[name]
            return f"{kind} {name} {name2}"
        arrays = forged.arrays(name2)
    else:  # statistics, and what this record has nothing of
        kind, rows = "statistics", arrays[f"statistics.{primary}"]
        rows[int(random.integers(len(rows))), row, rows.shape[2] - 2] += 1 + abs(shift(random))
    forged.put_record(name, record)
    forged.put_arrays(name, arrays)
    return f"{kind} {name}"


def test_fifty_changes_with_new_hashes_do_not_add_up(forger: Callable[[], Any]) -> None:
    random, missed = np.random.default_rng(2), []
    for number in range(REHASHED):
        forged = forger()
        what = forge(forged, random)
        verdict = verify(forged.write())
        if verdict.verdict != "broken":
            missed.append(f"{number}: {what}: {verdict.verdict} {reasons(verdict)}")
    assert missed == []


def test_a_forger_who_changes_nothing_is_not_caught(forger: Callable[[], Any]) -> None:
    """Else the test above would prove nothing."""
    forged = forger()
    for name in forged.records:
        forged.put_record(name, forged.record(name))
        forged.put_arrays(name, forged.arrays(name))
    assert verify(forged.write()).verdict == "consistent"


def test_records_of_two_encoders_do_not_make_one_bundle(forger: Callable[[], Any]) -> None:
    forged = forger()
    name = forged.records[0]
    record = forged.record(name)
    record["encoder"]["weights_hash"] = "0" * 64
    forged.put_record(name, record)
    assert "several encoders" in reasons(verify(forged.write()))


def test_a_card_that_says_other_things_than_the_records_is_seen(forger: Callable[[], Any]) -> None:
    forged = forger()
    name = next(name for name in forged.files if name.startswith("encoder/"))
    forged.files[name] = forged.files[name].replace(b"method: none", b"method: moco")
    assert "its card says other things" in reasons(verify(forged.write()))


def test_another_card_of_a_task_makes_a_bundle_stale(forger: Callable[[], Any]) -> None:
    forged = forger()
    name = forged.records[0]
    record = forged.record(name)
    record["task"]["version"] += 1
    forged.put_record(name, record)
    verdict = verify(forged.write())
    assert verdict.verdict == "stale"
    assert "version" in reasons(verdict)
