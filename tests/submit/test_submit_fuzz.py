"""Fuzz of bundles: whatever bytes or values are changed, with or without new hashes, it ends in a verdict, in time.

With every hash made right again, a bundle may stay consistent only where the change is in what nobody can check from
the bundle alone. That list stands here, and a change in anything else has to be seen.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from fuzzing import changed, harmed, in_time, share
from hypothesis import given
from hypothesis import strategies as st

from virb.records.record import Record
from virb.submit.container import MANIFEST
from virb.submit.verify import verify

UNCHECKED = {
    "created": "when it was made",
    "seconds": "how long it took",
    "versions": "what it was made with",
    "device": "where it was made",
    "task.title": "words, which may be put better",
    "encoder.facts": "what its maker says of the encoder",
    "encoder.checkpoint": "how the weights file was understood: --weights reads it again",
    "encoder.width": "seen with --data",
    "view.size": "seen with --data",
    "view.mean": "seen with --data",
    "view.std": "seen with --data",
    "data.counts.train": "seen with --data",
    "data.counts.val": "seen with --data",
    "data.notes": "what was odd about its maker's copy of the data",
    "data.blank": "samples that weigh nothing",
    "data.skipped": "part of the data's digest, which --data compares",
    "breakdown": "names of classes: seen with --data; their values are checked",
    "settings": "validation scores of settings, which only training again gives",
    "setting.validation": "the same; it has to be the end of the curve",
    "curves": "only training again gives them; their ends are checked",
    "train_loss": "the same",
    "numerics.chunk": "maps that are streamed come in smaller chunks than the key says",
}


def rehashed(forged: Any) -> Path:
    """Return a forged bundle whose hashes are right, those of samples and heads in its records among them."""
    for name in forged.records:
        try:
            record = json.loads(forged.files[name])
            for kind, ending in (("samples", ".npz"), ("heads", ".safetensors")):
                content = forged.files[name.replace(".json", ending)]
                record[kind]["sha256"] = hashlib.sha256(content).hexdigest()
        except (ValueError, KeyError, TypeError):  # no record any more
            continue
        if record != json.loads(forged.files[name]):
            forged.put_record(name, record)
    path: Path = forged.write()
    return path


def differences(one: Any, two: Any, place: str = "") -> Iterator[str]:
    """Yield the places where two JSON documents differ."""
    if isinstance(one, dict) and isinstance(two, dict):
        for key in sorted({*one, *two}):
            yield from differences(one.get(key), two.get(key), f"{place}.{key}".lstrip("."))
    elif one != two and not (isinstance(one, (int, float)) and isinstance(two, (int, float)) and close(one, two)):
        yield place


def close(one: float, two: float) -> bool:
    return abs(one - two) <= 1e-5 * max(1.0, abs(one), abs(two))


def overlooked(forged: Any, whole: Any) -> list[str]:
    """Return what was changed in a bundle that is consistent all the same, but for what cannot be checked."""
    found = []
    for name in forged.records:
        one, two = (json.loads(Record.model_validate_json(of.files[name]).model_dump_json()) for of in (whole, forged))
        found += [place for place in differences(one, two) if not excused(place)]
        ours, theirs = whole.arrays(name), forged.arrays(name)
        found += [key for key in ours if not np.array_equal(ours[key], theirs[key])]
    return found


def excused(place: str) -> bool:
    return any(place == known or place.startswith(f"{known}.") for known in UNCHECKED) or place.endswith(".sha256")


def check_rehashed(forged: Any, whole: Any) -> None:
    path = rehashed(forged)
    verdicts: list[str] = []
    in_time(lambda: verdicts.append(verify(path).verdict))
    if verdicts == ["consistent"]:
        assert overlooked(forged, whole) == []


@share(0.05)
@given(data=st.data())
def test_a_bundle_of_harmed_bytes_is_broken(data: st.DataObject, bundle: Path, tmp_path_factory: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "harmed.zip"
    content = bundle.read_bytes()
    path.write_bytes(made := data.draw(harmed(content)))
    verdicts: list[str] = []
    in_time(lambda: verdicts.append(verify(path).verdict))
    assert verdicts == (["consistent"] if made == content else ["broken"])


@share(0.08)
@given(data=st.data())
def test_changed_values_of_records_with_new_hashes_are_seen(data: st.DataObject, forger: Callable[[], Any]) -> None:
    forged = forger()
    name = data.draw(st.sampled_from(forged.records))
    made = data.draw(changed(forged.record(name)))
    try:
        forged.put_record(name, made)
    except UnicodeEncodeError:  # half of a pair of surrogates, which no file can hold
        return
    check_rehashed(forged, forger())


@share(0.05)
@given(data=st.data())
def test_harmed_bytes_of_any_file_with_new_hashes_are_seen(data: st.DataObject, forger: Callable[[], Any]) -> None:
    forged = forger()
    name = data.draw(st.sampled_from(sorted(set(forged.files) - {MANIFEST})))
    forged.files[name] = data.draw(harmed(forged.files[name]))
    check_rehashed(forged, forger())


@share(0.02)
@given(data=st.data())
def test_changed_manifests_and_cards_are_seen(data: st.DataObject, forger: Callable[[], Any]) -> None:
    forged = forger()
    name = data.draw(st.sampled_from([MANIFEST, "encoder/baseline-color.yaml"]))
    before = yaml.safe_load(forged.files[name])
    made = data.draw(changed(before))
    try:
        forged.files[name] = (
            (json.dumps(made, indent=1) + "\n").encode()
            if name == MANIFEST
            else yaml.safe_dump(made, allow_unicode=True, sort_keys=False).encode()
        )
    except (yaml.YAMLError, UnicodeEncodeError):
        return
    path = forged.write(rehash=name != MANIFEST)
    verdicts: list[str] = []
    in_time(lambda: verdicts.append(verify(path).verdict))
    if name == MANIFEST and made != before:
        assert verdicts == ["broken"]
