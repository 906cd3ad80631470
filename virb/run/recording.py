"""Recording: what a job came to, as the record and the files beside it (stage 7)."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version

import numpy as np
import torch

from virb.heads import VERSIONS
from virb.heads.fit import Choice, Fitted
from virb.records.record import (
    CurveFacts,
    DataFacts,
    EncoderFacts,
    HeadFacts,
    Keys,
    ProtocolFacts,
    Record,
    SettingFacts,
    TaskFacts,
    ViewFacts,
    beside,
    number,
    pack_arrays,
    record_stem,
)
from virb.run import virb2021
from virb.run.encoder_run import EncoderRun
from virb.run.options import Options
from virb.run.plan import ImageSet, Job
from virb.run.score import Scored, breakdown_of, measured, resolution_of, units, value_of
from virb.run.tasks import metrics_of


def make_record(
    run: EncoderRun,
    image_set: ImageSet,
    job: Job,
    fitted: Fitted,
    scored: Scored,
    seconds: dict[str, float],
) -> tuple[Record, dict[str, bytes]]:
    """Return the record and the files that stand beside it."""
    encoder, options, choice = run.encoder, run.options, fitted.choice
    task, dataset, card = job.task, job.prepared.dataset, encoder.card
    primary, *others = metrics_of(job.prepared)
    test, seeds = dataset.test, scored.statistics[primary.name]
    main, replicates = measured(primary, list(seeds), test.groups, test.digest)
    floor, _ = measured(primary, [scored.constant[primary.name]], test.groups, test.digest)
    files = _files(job, fitted, scored, options)
    heads = next((name for name in files if name.endswith(".safetensors")), None)
    record = Record(
        kind="measured",
        task=TaskFacts(
            name=task.name,
            title=task.title,
            level=task.level,
            kind=task.kind,
            extra=task.extra,
            version=task.version,
            digest=task.digest(),
        ),
        encoder=EncoderFacts(
            name=card.name,
            title=card.title,
            weights=card.origin.shown,
            arch=encoder.arch,
            fingerprint=encoder.fingerprint,
            weights_hash=encoder.weights_hash,
            width=encoder.shape.width,
            method=card.method,
            family=card.family or "",
            pretraining=card.pretraining,
            images=card.images,
            epochs=card.epochs,
            facts=card.facts,
            checkpoint=encoder.checkpoint,
        ),
        data=DataFacts(
            source=job.prepared.source,
            digest=dataset.digest,
            test_digest=dataset.test.digest,
            counts=dataset.counts,
            classes=len(dataset.classes),
            limit=options.limit,
            notes=dataset.notes if job.prepared.source == "real" else (),
            skipped=dataset.skipped,
            blank={name: count for name, count in scored.blank.items() if count},
        ),
        protocol=ProtocolFacts(
            name=options.protocol.name, version=options.protocol.version, digest=options.protocol.digest()
        ),
        view=ViewFacts(**asdict(image_set.images.view)),
        score=main,
        also={
            metric.name: measured(metric, list(scored.statistics[metric.name]), test.groups, test.digest)[0]
            for metric in others
        },
        floor=floor,
        seeds=[value_of(primary, rows) for rows in seeds],
        resolution=None if scored.resolution is None else resolution_of(primary, scored.resolution),
        breakdown=breakdown_of(primary, seeds, test.targets, scored.predictions, dataset.classes),
        replicates=[round(float(value), 6) for value in replicates],
        head=HeadFacts(name=job.prepared.head, version=VERSIONS[job.prepared.head]),
        units=units(dataset.test.groups),
        setting=_setting(choice, choice.chosen),
        settings=[_setting(choice, place) for place in range(len(choice.settings))],
        curves=_curves(choice),
        train_loss=choice.train_loss,
        numerics=asdict(image_set.numerics(task.level)),
        frozen=virb2021.frozen_under(job.prepared.head),
        device=_device_name(options.device),
        versions=_versions(),
        keys=Keys(data=dataset.digest, comparison=job.comparison, resume=job.resume),
        samples=beside(*next(item for item in files.items() if item[0].endswith(".npz"))),
        heads=beside(heads, files[heads]) if heads else None,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds={name: round(value, 3) for name, value in seconds.items()},
    )
    return record, files


def _files(job: Job, fitted: Fitted, scored: Scored, options: Options) -> dict[str, bytes]:
    """Return the samples, and the chosen heads where they were asked for."""
    stem = record_stem(job.task.name, options.protocol.name, job.resume)
    test = job.prepared.dataset.test
    primary = job.prepared.metrics[0]
    arrays = {
        "ids": np.array(test.ids),
        "groups": test.groups.astype(np.int32),
        "targets": test.targets.astype(np.int32),
        **{f"statistics.{name}": _exact(rows) for name, rows in scored.statistics.items()},
        f"floor.{primary}": _exact(scored.constant[primary]),
    }
    if scored.resolution is not None:
        arrays[f"resolution.{primary}"] = _exact(scored.resolution)
    if scored.predictions is not None:
        arrays["predictions"] = scored.predictions.astype(np.int32)
    files = {f"{stem}.npz": pack_arrays(arrays)}
    if options.save_heads and (tensors := fitted.tensors()):
        files[f"{stem}.safetensors"] = _pack_heads(tensors, job.prepared.dataset.classes)
    return files


def _exact(rows: np.ndarray) -> np.ndarray:
    """Return statistics in single precision where that keeps every digit: a score must follow from its samples."""
    short = rows.astype(np.float32)
    return short if np.array_equal(short.astype(np.float64), rows) else rows.astype(np.float64)


def _pack_heads(tensors: Mapping[str, torch.Tensor], classes: tuple[str, ...]) -> bytes:
    from safetensors.torch import save

    whole = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    return save(whole, metadata={"classes": "\n".join(classes)})


def _setting(choice: Choice, place: int) -> SettingFacts:
    return SettingFacts(**asdict(choice.settings[place]), validation=number(choice.validation[place]))


def _curves(choice: Choice) -> CurveFacts:
    def column(table: list[list[float]]) -> list[float | None]:
        return [number(row[choice.chosen]) if row else None for row in table]

    curves = choice.curves
    return CurveFacts(
        epochs=curves.epochs,
        train_loss=column(curves.train_loss),
        val_loss=column(curves.val_loss),
        val_score=column(curves.val_score),
    )


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu ({platform.machine()})"


@cache
def _versions() -> dict[str, str]:
    names = ("virb", "torch", "torchvision", "timm", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
