"""Lies that could be seen: each adds up, or nearly, and would move a score, an interval or a floor."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from virb.cards.encoder_names import encoder_cards
from virb.cards.select import protocol, select_tasks
from virb.core.digest import digest, digest_array
from virb.heads import VERSIONS
from virb.metrics import METRICS, MeanIoU
from virb.records.record import Record, record_stem, resume_key
from virb.run.harness import run
from virb.run.options import Asked, Options
from virb.run.score import breakdown_of, measured, value_of
from virb.submit import current, rerun
from virb.submit.current import cards_of, metrics_of
from virb.submit.make import Wish, make_bundle
from virb.submit.merge import merge, verdicts
from virb.submit.verdict import Verdict, as_text
from virb.submit.verify import Trial, verify


@pytest.fixture
def check(tiny_options: Options) -> Trial:
    return Trial(tiny_options, share=1.0, seed=3)


def of(forged: Any, task: str) -> str:
    return next(str(name) for name in forged.records if f"/{task}." in name)


def why(verdict: Verdict, task: str) -> str:
    return "; ".join(next(record for record in verdict.records if record.task == task).reasons)


def added_up(forged: Any, name: str, arrays: dict[str, np.ndarray], **data: Any) -> None:
    """Make every value of a record follow from its arrays, as somebody would who knows how they are made."""
    record = Record.model_validate_json(forged.files[name])
    groups, targets = arrays["groups"].astype(np.int64), arrays["targets"].astype(np.int64)
    test = digest([arrays["ids"].tolist(), digest_array(targets), digest_array(groups)])
    metrics = metrics_of(record, cards_of(record)[0])
    assert metrics is not None
    found = {}
    for metric in metrics:
        rows = arrays[f"statistics.{metric.name}"].astype(np.float64)
        found[metric.name] = measured(metric, list(rows), groups, test)
    primary = metrics[0]
    rows = arrays[f"statistics.{primary.name}"].astype(np.float64)
    floor = arrays[f"floor.{primary.name}"].astype(np.float64)
    score, replicates = found.pop(primary.name)
    changed = {
        "score": score,
        "also": {other: score for other, (score, _) in found.items()},
        "floor": measured(primary, [floor], groups, test)[0],
        "seeds": [value_of(primary, one) for one in rows],
        "units": len(np.unique(groups)),
        "replicates": [round(float(value), 6) for value in replicates],
        "breakdown": breakdown_of(primary, rows, targets, arrays.get("predictions"), list(record.breakdown)),
        "data": record.data.model_copy(update={"test_digest": test, **data}),
    }
    forged.files[name] = record.model_copy(update=changed).model_dump_json(indent=1).encode()
    forged.put_arrays(name, arrays)


def test_finer_groups_make_a_narrower_interval_and_are_seen_with_the_data(
    forger: Callable[[], Any], check: Trial
) -> None:
    forged = forger()
    name = of(forged, "thor_egomotion")
    arrays = forged.arrays(name)
    assert len(np.unique(arrays["groups"])) < len(arrays["ids"])
    arrays["groups"] = np.arange(len(arrays["ids"]), dtype=arrays["groups"].dtype)
    added_up(forged, name, arrays)
    path = forged.write()
    assert verify(path).verdict == "consistent"
    assert "groups are not those" in why(verify(path, check), "thor_egomotion")


def test_a_lower_floor_is_seen_where_no_answer_gives_it_and_else_with_the_data(
    forger: Callable[[], Any], check: Trial
) -> None:
    for share, alone in ((0.5, "broken"), (0.0, "consistent")):
        forged = forger()
        name = of(forged, "thor_egomotion")
        arrays = forged.arrays(name)
        hits = arrays["floor.top1"][:, 0]
        kept = np.flatnonzero(hits)
        hits[kept[int(share * len(kept)) :]] = 0
        added_up(forged, name, arrays)
        path = forged.write()
        assert verify(path).verdict == alone
        assert "floor" in why(verify(path, check), "thor_egomotion")


def test_a_lower_floor_of_a_pixel_task_is_seen_with_the_data(
    forger: Callable[[], Any], check: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    forged = forger()
    name = of(forged, "pets_seg")
    arrays, metric = forged.arrays(name), forged.record(name)["score"]["metric"]
    arrays[f"floor.{metric}"][:, 0] *= 0.9
    added_up(forged, name, arrays)
    path = forged.write()
    assert verify(path).verdict == "consistent"
    assert "its floor is not" in why(verify(path, check), "pets_seg")
    monkeypatch.setattr(rerun, "_LEARNT", 3)
    assert "its floor was not" in why(verify(path, check), "pets_seg")


@pytest.mark.parametrize(("change", "word"), [(lambda rows: -rows, "below 0"), (lambda rows: 2 * rows, "the most")])
def test_statistics_below_zero_and_scores_beyond_the_best_are_seen(
    forger: Callable[[], Any], change: Callable[[np.ndarray], np.ndarray], word: str
) -> None:
    forged = forger()
    name = of(forged, "pets_seg")
    arrays, metric = forged.arrays(name), forged.record(name)["score"]["metric"]
    rows = arrays[f"statistics.{metric}"].astype(np.float64)
    rows[..., 0] = change(rows[..., 1])
    arrays[f"statistics.{metric}"] = rows
    added_up(forged, name, arrays)
    assert word in why(verify(forged.write()), "pets_seg")


def test_an_older_record_cannot_hide_what_newer_ones_have_to_show(forger: Callable[[], Any]) -> None:
    forged = forger()
    name = of(forged, "pets_seg")
    record, arrays = forged.record(name), forged.arrays(name)
    record["head"] = None
    record["floor"] |= {"value": 0.0, "low": 0.0, "high": 0.0}
    del arrays[f"floor.{record['score']['metric']}"], arrays["targets"]
    forged.put_record(name, record)
    forged.put_arrays(name, arrays)
    assert verify(forged.write()).verdict == "stale"


def reclaimed(forged: Any, name: str, numerics: dict[str, Any]) -> str:
    """Let a record say that it was made on other numerics, with the key and the file names that follow."""
    record = Record.model_validate_json(forged.files[name])
    cards = cards_of(record)[0]
    assert cards is not None
    assert record.head is not None
    made = {**record.numerics, **numerics}
    training = cards.training.model_dump(mode="json")
    version = VERSIONS[record.head.name]
    key = resume_key(record.keys.comparison, record.encoder.fingerprint, training, made, version)
    stem = record_stem(record.task.name, record.protocol.name, key)
    files = {kind: facts.model_copy(update={"file": f"{stem}.{facts.file.rpartition('.')[2]}"}) for kind, facts in
             (("samples", record.samples), ("heads", record.heads)) if facts}  # fmt: skip
    folder = name.rpartition("/")[0]
    for ending in ("json", "npz", "safetensors"):
        forged.files[f"{folder}/{stem}.{ending}"] = forged.files.pop(name.replace(".json", f".{ending}"))
    changed = {"numerics": made, "keys": record.keys.model_copy(update={"resume": key}), **files}
    forged.files[f"{folder}/{stem}.json"] = record.model_copy(update=changed).model_dump_json(indent=1).encode()
    return f"{folder}/{stem}.json"


def test_near_ties_settled_by_the_targets_are_seen_though_each_is_near(
    forger: Callable[[], Any], check: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that says it came from a GPU is given room for each answer; the room must not be used one way."""
    forged = forger()
    name = reclaimed(forged, of(forged, "thor_egomotion"), {"device": "cuda"})
    arrays = forged.arrays(name)
    honest = verify(forged.write(), check)
    assert "encoded and scored again" in why(honest, "thor_egomotion"), as_text(honest)
    assert next(one for one in honest.records if one.task == "thor_egomotion").verdict == "verified"
    monkeypatch.setattr(rerun, "_OTHER", 0.3)  # with so few samples, near has to be this near
    wrong = arrays["predictions"] != arrays["targets"]
    for seed, row in np.argwhere(wrong):
        arrays["predictions"][seed, row] = arrays["targets"][row]
    hits = arrays["predictions"] == arrays["targets"]
    ones = np.ones(hits.shape)
    arrays["statistics.top1"] = np.stack([hits, ones], -1).astype(np.float32)
    arrays["statistics.mean_per_class"] = np.stack(
        [np.broadcast_to(arrays["targets"], hits.shape), hits, ones], -1
    ).astype(np.float32)
    added_up(forged, name, arrays)
    monkeypatch.setattr(rerun, "_short", lambda *given: (0, 0))  # each of them near enough
    again = verify(forged.write(), check)
    assert "more of them right than are" in why(again, "thor_egomotion"), as_text(again)


def test_turned_answers_are_counted_with_what_they_gain() -> None:
    targets = torch.tensor([0, 1, 2, 0])
    found = torch.tensor([[0, 0], [0, 1], [1, 1], [1, 1]])
    assert rerun._turned(found, found, targets) == (0, 0)
    claimed = torch.tensor([[0, 0], [1, 1], [2, 1], [2, 1]])
    assert rerun._turned(found, claimed, targets) == (3, 2)
    assert rerun._turned(claimed, found, targets) == (3, -2)


def test_hits_among_the_five_best_have_to_be_among_them() -> None:
    draw = torch.Generator().manual_seed(0)
    logits, targets = torch.randn(40, 2, 20, generator=draw), torch.randint(0, 20, (40,), generator=draw)
    metric = METRICS["top5"]
    true = np.stack([metric.statistics(logits[:, seed], targets).numpy() for seed in range(2)])
    assert not rerun._lucky(metric, logits, targets, true, 1e-3)
    for value in (0.0, 1.0):
        false = true.copy()
        false[1, np.flatnonzero(true[1, :, 0] != value)[0], 0] = value
        assert rerun._lucky(metric, logits, targets, false, 1e-3)


def test_a_rare_class_cannot_be_made_up_behind_a_large_one() -> None:
    metric = MeanIoU(classes=3)
    rows = np.zeros((1, 4, 9))
    rows[..., :3] = [1e6, 1e6, 10]  # pixels found
    rows[..., 6:] = [1e5, 1e5, 990]  # pixels missed
    better = rows.copy()
    better[..., 2], better[..., 8] = 990, 10
    assert metric.value(metric.totals(better[0])) > metric.value(metric.totals(rows[0])) + 0.3
    assert rerun._gap(metric, rows, rows) == 0
    assert rerun._gap(metric, rows, better) > rerun._PIXELS_OTHER
    assert np.abs(rows - better).sum() / rows.sum() < rerun._PIXELS_SAME
    noisy = rows.copy()
    noisy[:, 0, 2] += 7
    assert rerun._gap(metric, rows, noisy) < rerun._PIXELS_SAME


@pytest.mark.parametrize("change", ["garbage", "cut", "seed", "long", "gap"])
def test_heads_that_are_none_are_seen_without_data(forger: Callable[[], Any], change: str) -> None:
    forged = forger()
    name = of(forged, "dtd")
    heads = name.replace(".json", ".safetensors")
    content = forged.files[heads]
    forged.files[heads] = {
        "garbage": b"\x08\x00\x00\x00\x00\x00\x00\x00" + b"{}      " + b"x" * 100,
        "cut": content[:-4],
        "seed": save({key: value for key, value in load(content).items() if not key.startswith("seed1")}),
        "long": content + b"\0",
        "gap": content[:8] + content[8:].replace(b'"data_offsets":[0,', b'"data_offsets":[4,', 1),
    }[change]
    record = forged.record(name)
    record["heads"]["sha256"] = hashlib.sha256(forged.files[heads]).hexdigest()
    forged.put_record(name, record)
    assert "safetensors" in why(verify(forged.write()), "dtd")


def test_facts_that_the_data_and_the_encoder_say_otherwise_are_seen(forger: Callable[[], Any], check: Trial) -> None:
    def counts(record: dict[str, Any]) -> None:
        record["data"]["counts"]["train"] += 1

    def view(record: dict[str, Any]) -> None:
        record["view"]["size"] = 384

    def width(record: dict[str, Any]) -> None:
        record["encoder"]["width"] += 1

    def names(record: dict[str, Any]) -> None:
        record["breakdown"] = {f"{name}x": value for name, value in record["breakdown"].items()}

    def skipped(record: dict[str, Any]) -> None:
        record["data"]["skipped"] = ["banded/banded_0001.jpg"]

    def blank(record: dict[str, Any]) -> None:
        record["data"]["blank"] = {"test": 3}

    for change, word in (
        (counts, "the data have"), (view, "384 pixels"), (width, "features"), (names, "other names"),
        (skipped, "left out"), (blank, "no pixel that counts"),
    ):  # fmt: skip
        forged = forger()
        name = of(forged, "dtd")
        record = forged.record(name)
        change(record)
        forged.put_record(name, record)
        assert word in why(verify(forged.write(), check), "dtd")


# Tasks that are cut into tiles


@pytest.fixture(scope="module")
def tiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Options]:
    """Return a bundle of a task that is trained on crops and scored from tiles, and the options of its run."""
    from virb.sample import ensure

    root = ensure(["egohands", "kitti_flow"], folder=tmp_path_factory.mktemp("tiled") / "world", size=0.12, workers=1)
    rules = protocol("standard")
    assert rules.pixel is not None
    pixel = {"epochs": 1, "batch": 4, "learning_rates": (1e-3,), "seeds": 1, "head": "dense_linear"}
    short = rules.model_copy(update={"size": 64, "pixel": rules.pixel.model_copy(update=pixel)})
    given = Asked(data=root, workers=0, limit=6, save_heads=True).options()
    given = replace(given, protocol=short, out=tmp_path_factory.mktemp("tiled") / "results")
    (card,) = encoder_cards(["random:resnet18"])
    report = run([card], select_tasks("egohands,kitti_flow"), given)
    assert not report.failures
    facts = {"method": "none", "pretraining": "none", "paper": "unpublished", "licence": "MIT", "title": "Untrained"}
    out = tmp_path_factory.mktemp("tiled") / "b.zip"
    return make_bundle(card.model_copy(update=facts), given.out, out, Wish(pixel_heads=True)).path, given


def test_a_task_in_tiles_is_run_again_from_whole_pictures_and_other_heads_are_seen(
    tiled: tuple[Path, Options], forging: Callable[[Path], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, given = tiled
    monkeypatch.setattr(current, "protocol", lambda name: given.protocol)
    verdict = verify(bundle, Trial(given, share=0.5))
    assert verdict.verdict == "verified", as_text(verdict)
    assert len(verdict.records) == 2
    forged = forging(bundle)
    for name in forged.records:
        heads = name.replace(".json", ".safetensors")
        tensors = {key: -value if key.startswith("seed") else value for key, value in load(forged.files[heads]).items()}
        forged.files[heads] = save(tensors)
        record = forged.record(name)
        record["heads"]["sha256"] = hashlib.sha256(forged.files[heads]).hexdigest()
        forged.put_record(name, record)
    path = forged.write()
    assert verify(path).verdict == "consistent"
    assert [record.verdict for record in verify(path, Trial(given, share=0.5)).records] == ["broken", "broken"]


# Verdicts beside records


def test_a_second_bundle_of_an_encoder_leaves_the_first_ones_verdicts(
    results: Path, bundle: Path, check: Trial, card: Any, tmp_path: Path
) -> None:
    merge(bundle, tmp_path, verify(bundle, check))
    assert set(verdicts(tmp_path).values()) == {"verified"}
    merge(bundle, tmp_path, verify(bundle))
    assert list(verdicts(tmp_path).values()) == ["verified"] * 4, "the same bytes, looked at with less"
    other = replace(verify(bundle), records=verify(bundle).records[:1])
    merge(bundle, tmp_path, other)
    assert list(verdicts(tmp_path).values()) == ["verified"] * 4


def test_a_bundle_that_was_changed_after_it_was_verified_is_not_merged(
    bundle: Path, forger: Callable[[], Any], tmp_path: Path
) -> None:
    verdict = verify(bundle)
    forged = forger()
    forged.files["encoder/baseline-color.yaml"] += b"# other\n"
    with pytest.raises(Exception, match="changed since"):
        merge(forged.write(), tmp_path / "results", verdict)
    assert not (tmp_path / "results").exists()
