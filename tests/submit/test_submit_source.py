"""A bundle of the sample world is called that, whatever its records say and whatever it is run again with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from virb.cards.encoder import EncoderCard
from virb.cards.encoder_names import encoder_cards
from virb.cards.select import select_tasks
from virb.heads import VERSIONS
from virb.records.record import Record, comparison_key, record_stem, resume_key
from virb.run.harness import run
from virb.run.options import Asked, Options
from virb.submit.current import cards_of
from virb.submit.make import make_bundle
from virb.submit.verdict import as_text
from virb.submit.verify import Trial, verify


def called_real(forged: Any, task: str) -> str:
    """Let a record say that its data are real, with the keys and the file names that follow; return its new name."""
    name = next(name for name in forged.records if f"/{task}." in name)
    record = Record.model_validate_json(forged.files[name])
    cards = cards_of(record)[0]
    assert cards is not None
    assert record.head is not None
    data = record.data.model_copy(update={"source": "real"})
    comparison = comparison_key(cards.task, cards.protocol, data.digest, "real", data.limit)
    training, version = cards.training.model_dump(mode="json"), VERSIONS[record.head.name]
    resume = resume_key(comparison, record.encoder.fingerprint, training, record.numerics, version)
    stem, folder = record_stem(task, record.protocol.name, resume), name.rpartition("/")[0]
    changed: dict[str, Any] = {
        kind: facts.model_copy(update={"file": f"{stem}.{facts.file.rpartition('.')[2]}"})
        for kind, facts in (("samples", record.samples), ("heads", record.heads))
        if facts
    }
    changed |= {"data": data}
    changed |= {"keys": record.keys.model_copy(update={"comparison": comparison, "resume": resume})}
    for ending in ("json", "npz", "safetensors"):
        if (old := name.replace(".json", f".{ending}")) in forged.files:
            forged.files[f"{folder}/{stem}.{ending}"] = forged.files.pop(old)
    forged.put_record(f"{folder}/{stem}.json", record.model_copy(update=changed).model_dump(mode="json"))
    return f"{folder}/{stem}.json"


def test_a_bundle_of_a_sample_world_given_as_data_is_verified_as_one(bundle: Path, tiny_options: Options) -> None:
    verdict = verify(bundle, Trial(tiny_options, share=1.0))
    assert verdict.verdict == "verified"
    assert {record.source for record in verdict.records} == {"sample"}
    assert "real data" not in as_text(verdict)
    assert "sample data" in as_text(verdict)


def test_a_record_that_calls_the_very_data_real_that_it_is_run_again_with_is_broken(
    forger: Callable[[], Any], tiny_options: Options
) -> None:
    forged = forger()
    called_real(forged, "dtd")
    verdict = verify(forged.write(), Trial(tiny_options, share=1.0))
    assert verdict.verdict == "broken"
    assert "called real data, and the very same data here are sample data" in as_text(verdict)


@pytest.mark.parametrize("limit", [None, 60])
def test_a_record_that_calls_the_usual_sample_world_real_is_broken_without_any_data(
    sample_root: Path, tmp_path: Path, card: EncoderCard, forging: Callable[[Path], Any], limit: int | None
) -> None:
    options = Asked(sample=True, limit=limit, seeds=1, workers=0, out=tmp_path / "out").options()
    run(encoder_cards(["baseline:color"]), select_tasks("dtd"), options)
    made = make_bundle(card, tmp_path / "out", tmp_path / "made.zip").path
    assert verify(made).verdict == "consistent"
    forged = forging(made)
    called_real(forged, "dtd")
    verdict = verify(forged.write())
    assert verdict.verdict == "broken"
    assert "its test samples are those of the sample world" in as_text(verdict)
