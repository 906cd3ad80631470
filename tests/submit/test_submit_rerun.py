"""A second run: what agrees is verified, what was made up is broken, what cannot be run says why."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load, save

from virb.core.digest import digest, digest_array
from virb.core.errors import UsageError
from virb.records.record import Record
from virb.run.options import Options
from virb.run.score import breakdown_of, measured, value_of
from virb.submit import reproduce
from virb.submit.current import cards_of, metrics_of
from virb.submit.merge import board_notes, merge, verdicts
from virb.submit.verdict import MEANING, as_json, as_text
from virb.submit.verify import Trial, verify


@pytest.fixture
def check(tiny_options: Options) -> Trial:
    return Trial(tiny_options, share=0.05, seed=3)


def test_a_bundle_that_runs_again_is_verified(bundle: Path, check: Trial) -> None:
    verdict = verify(bundle, check)
    assert verdict.verdict == "verified", as_text(verdict)
    assert all("encoded and scored again" in record.reasons[0] for record in verdict.records)


def made_up(forged: Any, name: str, share: float) -> None:
    """Make a record's statistics up so that all of it adds up: more right answers than there were."""
    record, arrays = Record.model_validate_json(forged.files[name]), forged.arrays(name)
    random = np.random.default_rng(0)
    wrong = arrays["predictions"] != arrays["targets"]
    lucky = wrong & (random.random(wrong.shape) < share)
    arrays["predictions"] = np.where(lucky, arrays["targets"], arrays["predictions"])
    hits = arrays["predictions"] == arrays["targets"]
    arrays["statistics.top1"] = np.stack([hits, np.ones(hits.shape)], -1).astype(np.float32)
    metrics = metrics_of(record, cards_of(record)[0])
    assert metrics is not None
    (metric,) = metrics
    rows = arrays["statistics.top1"].astype(np.float64)
    score, replicates = measured(metric, list(rows), arrays["groups"].astype(np.int64), record.data.test_digest)
    changed = {
        "score": score,
        "seeds": [value_of(metric, one) for one in rows],
        "replicates": [round(float(value), 6) for value in replicates],
        "breakdown": breakdown_of(metric, rows, arrays["targets"], arrays["predictions"], list(record.breakdown)),
    }
    forged.files[name] = record.model_copy(update=changed).model_dump_json(indent=1).encode()
    forged.put_arrays(name, arrays)


def test_statistics_made_up_so_that_they_add_up_are_seen_by_a_second_run_only(
    forger: Callable[[], Any], check: Trial
) -> None:
    forged = forger()
    name = next(name for name in forged.records if "/dtd." in name)
    made_up(forged, name, 0.5)
    path = forged.write()
    alone = verify(path)
    assert alone.verdict == "consistent"
    assert "made up" in MEANING["consistent"]
    again = verify(path, check)
    assert again.verdict == "broken"
    assert "are not what the heads give" in as_text(again)


def test_heads_that_were_changed_do_not_agree(forger: Callable[[], Any], check: Trial) -> None:
    for task in ("dtd", "pets_seg"):
        forged = forger()
        name = next(name for name in forged.records if f"/{task}." in name)
        heads = name.replace(".json", ".safetensors")
        tensors = {key: tensor.flip(0) if key.startswith("seed") else tensor for key, tensor in
                   load(forged.files[heads]).items()}  # fmt: skip
        forged.files[heads] = save(tensors)
        record = forged.record(name)
        record["heads"]["sha256"] = hashlib.sha256(forged.files[heads]).hexdigest()
        forged.put_record(name, record)
        path = forged.write()
        assert verify(path).verdict == "consistent"
        assert verify(path, check).verdict == "broken"


def test_what_has_no_heads_stays_consistent_and_the_bundle_with_it(
    results: Path, tmp_path: Path, check: Trial, card: Any
) -> None:
    from virb.submit.make import make_bundle

    verdict = verify(make_bundle(card, results, tmp_path / "b.zip").path, check)
    words = {record.task: record.verdict for record in verdict.records}
    assert words == {"dtd": "verified", "pets": "verified", "thor_egomotion": "verified", "pets_seg": "consistent"}
    assert verdict.verdict == "consistent"
    assert "3 of 4 records were run again" in as_text(verdict)


def test_other_data_make_a_bundle_stale_and_no_data_leave_it_consistent(
    bundle: Path, tiny_options: Options, tmp_path: Path
) -> None:
    root = shutil.copytree(tiny_options.root, tmp_path / "data")
    shutil.rmtree(next(path for path in root.iterdir() if path.name.startswith("thor")))
    lists = next(root.rglob("labels/test1.txt"))
    lists.write_text("\n".join(lists.read_text().splitlines()[:-1]) + "\n")
    words = {record.task: record for record in verify(bundle, Trial(replace(tiny_options, root=root))).records}
    assert words["dtd"].verdict == "stale"
    assert "fingerprint" in words["dtd"].reasons[0]
    assert words["thor_egomotion"].verdict == "consistent"
    assert words["thor_egomotion"].reasons[0].startswith("not run again")


def test_samples_that_lost_some_consistently_are_seen_with_the_data(forger: Callable[[], Any], check: Trial) -> None:
    """Ids, counts and test digest agree with one another, and no longer with the data."""
    forged = forger()
    name = next(name for name in forged.records if "/dtd." in name)
    arrays, record = forged.arrays(name), forged.record(name)
    arrays["ids"][0] = "banded/other.jpg"
    targets, groups = arrays["targets"].astype(np.int64), arrays["groups"].astype(np.int64)
    record["data"]["test_digest"] = digest([arrays["ids"].tolist(), digest_array(targets), digest_array(groups)])
    forged.put_record(name, record)
    forged.put_arrays(name, arrays)
    assert verify(forged.write(), check).verdict == "broken"


def test_weights_that_are_not_the_bundles_are_refused(bundle: Path, check: Trial, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no weights file"):
        verify(bundle, replace(check, weights=tmp_path / "none.pt"))


def test_a_verdict_is_json_too(bundle: Path) -> None:
    (found,) = json.loads(as_json([verify(bundle)]))
    assert found["verdict"] == "consistent"
    assert "cannot be seen without" in found["meaning"]
    assert len(found["records"]) == 4


# Merging


def test_a_merged_bundle_brings_its_records_and_its_verdict(bundle: Path, tmp_path: Path) -> None:
    merged = merge(bundle, tmp_path, verify(bundle))
    assert (merged.added, merged.there) == (4, 0)
    assert set(verdicts(tmp_path).values()) == {"consistent"}
    again = merge(bundle, tmp_path, verify(bundle))
    assert (again.added, again.there) == (0, 4)


def test_nothing_is_overwritten_and_then_nothing_is_added(bundle: Path, tmp_path: Path) -> None:
    merge(bundle, tmp_path, verify(bundle))
    record, *others = sorted((tmp_path / "records").rglob("*.json"))
    record.write_text("mine")
    for other in others:
        other.unlink()
    with pytest.raises(Exception, match="other files in the places"):
        merge(bundle, tmp_path, verify(bundle))
    assert record.read_text() == "mine"
    assert not any(other.exists() for other in others)


def test_a_record_that_was_changed_after_merging_has_no_verdict(bundle: Path, tmp_path: Path) -> None:
    merge(bundle, tmp_path, verify(bundle))
    record = next((tmp_path / "records").rglob("*.json"))
    record.write_text(record.read_text().replace("measured", "measured "))
    assert len(verdicts(tmp_path)) == 3
    (note,) = board_notes(tmp_path)
    assert note.endswith(": 1 changed since, 3 consistent")


def test_a_broken_bundle_is_not_merged(forger: Callable[[], Any], tmp_path: Path) -> None:
    forged = forger()
    record = forged.record(forged.records[0])
    record["score"]["value"] += 0.1
    forged.put_record(forged.records[0], record)
    path = forged.write()
    with pytest.raises(Exception, match="broken"):
        merge(path, tmp_path / "results", verify(path))
    assert not (tmp_path / "results").exists()


def test_a_sidecar_that_is_none_gives_no_verdicts(tmp_path: Path) -> None:
    folder = tmp_path / "submissions" / "x"
    folder.mkdir(parents=True)
    for content in ("", "[]", '{"records": 3}', '{"records": [{"file": "../../etc/passwd"}]}', "[" * 100_000):
        (folder / "verdict.json").write_text(content)
        assert verdicts(tmp_path) == {}


# Reproducing


def record_of(results: Path, task: str) -> Record:
    return Record.model_validate_json(next((results / "records").rglob(f"{task}.*.json")).read_bytes())


def test_the_command_of_a_record_says_all_that_made_it(results: Path) -> None:
    record = record_of(results, "dtd")
    assert reproduce.as_line(reproduce.command(record, data="/my data")) == (
        "virb evaluate --encoder=baseline:color --tasks=dtd --protocol=quick '--data=/my data' --seeds=2 "
        "--device=cpu --precision=float32 --save-heads"
    )
    sample = record.model_copy(update={"data": record.data.model_copy(update={"source": "sample", "limit": 7})})
    assert {"--sample", "--limit=7"} <= set(reproduce.command(sample))


def test_a_record_names_no_file_that_is_run_by_itself(results: Path) -> None:
    record = record_of(results, "dtd")
    evil = record.model_copy(update={"encoder": record.encoder.model_copy(update={"weights": "evil.py:f"})})
    with pytest.raises(UsageError, match="not opened by themselves"):
        reproduce.check_runnable(evil, "")
    reproduce.check_runnable(record, "")
    option = record.model_copy(update={"encoder": record.encoder.model_copy(update={"weights": "--out=/"})})
    assert all(word.startswith("--encoder=") for word in reproduce.command(option) if "--out" in word)


def test_a_record_prints_nothing_that_a_terminal_acts_on(results: Path) -> None:
    record = record_of(results, "dtd")
    facts = record.encoder.model_copy(update={"weights": "timm:\x1b[2J\nrm -r x"})
    with pytest.raises(UsageError, match="terminal acts on") as caught:
        reproduce.command(record.model_copy(update={"encoder": facts}))
    assert "\x1b" not in str(caught.value)


def test_what_differs_between_a_record_and_its_repetition_is_shown(results: Path) -> None:
    record = record_of(results, "dtd")
    assert all(row.same for row in reproduce.differences(record, record))
    assert reproduce.judgement(record, record) == (True, "The same score, to the last digit.")
    off = record.score.model_copy(update={"value": record.score.value + 0.5})
    other = record.model_copy(update={"score": off, "device": "elsewhere"})
    names = {row.name for row in reproduce.differences(record, other) if not row.same}
    assert names == {"top1", "device"}
    assert not reproduce.judgement(record, other)[0]
    assert "do not compare" in reproduce.judgement(record, record_of(results, "pets"))[1]
