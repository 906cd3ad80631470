"""Recording: what a job came to, as the record and the files beside it (stage 7)."""

from __future__ import annotations

import platform
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version

import numpy as np
import torch

from virb.core.types import Numerics
from virb.encode.encoder import Encoder
from virb.heads import VERSIONS, state
from virb.heads.fit import Fitted, FittedNeighbours, PixelFitted
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
from virb.run.options import Options
from virb.run.plan import ImageSet, Job
from virb.run.score import AnyFitted, Scored, _metrics, _units, breakdown_of, measured, resolution_of, value_of


def make_record(
    encoder: Encoder,
    image_set: ImageSet,
    job: Job,
    fitted: AnyFitted,
    scored: Scored,
    seconds: dict[str, float],
    options: Options,
) -> tuple[Record, dict[str, bytes]]:
    """Return the record and the files that stand beside it."""
    task, dataset, card = job.task, job.prepared.dataset, encoder.card
    primary, *others = _metrics(job)
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
            source=options.source,
            digest=dataset.digest,
            test_digest=dataset.test.digest,
            counts=dataset.counts,
            classes=len(dataset.classes),
            limit=options.limit,
            notes=dataset.notes if options.source == "real" else (),
            skipped=dataset.skipped,
            blank={name: count for name, count in scored.blank.items() if count},
        ),
        protocol=ProtocolFacts(
            name=options.protocol.name, version=options.protocol.version, digest=options.protocol.digest()
        ),
        view=ViewFacts(**asdict(image_set.view)),
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
        units=_units(dataset.test.groups),
        setting=_setting(fitted, fitted.chosen),
        settings=[_setting(fitted, place) for place in range(len(fitted.settings))],
        curves=_curves(fitted),
        train_loss=None if isinstance(fitted, FittedNeighbours) else fitted.curves.train_loss[-1][fitted.chosen],
        numerics=asdict(_numerics(image_set, job)),
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


def _numerics(image_set: ImageSet, job: Job) -> Numerics:
    """Return how this job's features were made: streamed maps may have smaller chunks than what is cached."""
    streamed = image_set.streaming if job.task.level == "pixel" else None
    return streamed.numerics if streamed else image_set.numerics


def _files(job: Job, fitted: AnyFitted, scored: Scored, options: Options) -> dict[str, bytes]:
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
    if options.save_heads and not isinstance(fitted, FittedNeighbours):  # these are the training samples themselves
        files[f"{stem}.safetensors"] = _pack_heads(fitted, job.prepared.dataset.classes)
    return files


def _exact(rows: np.ndarray) -> np.ndarray:
    """Return statistics in single precision where that keeps every digit: a score must follow from its samples."""
    short = rows.astype(np.float32)
    return short if np.array_equal(short.astype(np.float64), rows) else rows.astype(np.float64)


def _pack_heads(fitted: Fitted | PixelFitted, classes: tuple[str, ...]) -> bytes:
    from safetensors.torch import save

    states = [head.state() if isinstance(fitted, PixelFitted) else state(head) for head in fitted.heads]  # type: ignore[union-attr, arg-type]
    tensors = {
        f"seed{seed}.{name}": tensor.cpu().contiguous()
        for seed, named in enumerate(states)
        for name, tensor in named.items()
    }
    if isinstance(fitted, PixelFitted):
        tensors |= {"output.mean": fitted.answer.mean.cpu(), "output.scale": fitted.answer.scale.cpu()}
    elif fitted.setting.standardise:
        tensors |= {"features.mean": fitted.mean.cpu(), "features.std": fitted.std.cpu()}
    return save(tensors, metadata={"classes": "\n".join(classes)})


def _setting(fitted: AnyFitted, place: int) -> SettingFacts:
    return SettingFacts(**asdict(fitted.settings[place]), validation=number(fitted.validation[place]))


def _curves(fitted: AnyFitted) -> CurveFacts:
    def column(table: list[list[float]]) -> list[float | None]:
        return [number(row[fitted.chosen]) if row else None for row in table]

    curves = fitted.curves
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
