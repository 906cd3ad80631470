"""Score: chosen heads -> per-sample statistics of the test split -> record (stages 6 and 7). Test is used once."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version

import numpy as np
import torch

from virb.backbones import Encoder
from virb.errors import NumericsError
from virb.fit import Fitted, predict
from virb.heads import state
from virb.metrics import METRICS, Metric, class_accuracies
from virb.plan import ImageSet, Job, Options
from virb.record import (
    CurveFacts,
    DataFacts,
    EncoderFacts,
    Keys,
    ProtocolFacts,
    Record,
    Score,
    SettingFacts,
    TaskFacts,
    ViewFacts,
    beside,
    number,
    pack_arrays,
    record_stem,
)
from virb.stats import bootstrap, interval
from virb.types import Features


@dataclass(frozen=True)
class Scored:
    """Per-sample statistics of the test split under every metric, seed by seed, and of the constant predictor."""

    statistics: dict[str, np.ndarray]  # metric -> [S, N, s]
    constant: dict[str, np.ndarray]  # metric -> [N, s]
    predictions: np.ndarray  # [S, N]


def score(job: Job, fitted: Fitted, features: Features, device: torch.device) -> Scored:
    """Return statistics of every test sample, each scored exactly once per seed."""
    test, classes = job.prepared.dataset.test, len(job.prepared.dataset.classes)
    metrics = _metrics(job)
    rows: dict[str, list[np.ndarray]] = {metric.name: [] for metric in metrics}
    predictions, done = [], 0
    for logits in predict(fitted, features, test, device):
        if not torch.isfinite(logits).all():
            raise NumericsError(
                "the chosen head answers with NaN or infinity on test samples",
                "finite outputs",
                "look for test images whose features lie far outside those of training",
            )
        targets = torch.from_numpy(test.targets[done : done + len(logits)]).to(device)
        done += len(logits)
        predictions.append(logits.argmax(-1).T.cpu().numpy())
        for metric in metrics:
            by_seed = [metric.statistics(logits[:, seed], targets) for seed in range(logits.shape[1])]
            rows[metric.name].append(torch.stack(by_seed).cpu().numpy())
    constant = {}
    for metric in metrics:
        output = torch.from_numpy(metric.constant(job.prepared.dataset.train.targets, classes))
        constant[metric.name] = metric.statistics(output.expand(len(test), -1), torch.from_numpy(test.targets)).numpy()
    joined = {name: np.concatenate(parts, axis=1) for name, parts in rows.items()}
    return Scored(joined, constant, np.concatenate(predictions, axis=1))


def _metrics(job: Job) -> list[Metric]:
    return [METRICS[name] for name in (job.task.metric, *job.task.also)]


def _score(metric: Metric, statistics: Sequence[np.ndarray], job: Job) -> tuple[Score, np.ndarray]:
    """Return a metric's mean over seeds with its interval, and the replicates behind it."""
    test = job.prepared.dataset.test
    value = float(np.mean([metric.value(metric.totals(rows)) for rows in statistics]))
    replicates = bootstrap(statistics, test.groups, test.digest, metric.totals, metric.value)
    span = interval(value, replicates)
    facts = Score(
        metric=metric.name,
        unit=metric.unit,
        direction=metric.direction,
        ceiling=metric.ceiling,
        value=span.value,
        low=span.low,
        high=span.high,
    )
    return facts, replicates


def make_record(
    encoder: Encoder,
    image_set: ImageSet,
    job: Job,
    fitted: Fitted,
    scored: Scored,
    seconds: dict[str, float],
    options: Options,
) -> tuple[Record, dict[str, bytes]]:
    """Return the record and the files that stand beside it."""
    task, dataset, card = job.task, job.prepared.dataset, encoder.card
    primary, *others = _metrics(job)
    main, replicates = _score(primary, list(scored.statistics[primary.name]), job)
    floor, _ = _score(primary, [scored.constant[primary.name]], job)
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
            weights=card.weights.replace("\\", "/").rsplit("/", 1)[-1] if ":" not in card.weights else card.weights,
            arch=encoder.arch,
            fingerprint=encoder.fingerprint,
            weights_hash=encoder.weights_hash,
            width=encoder.shape.width,
            method=card.method,
            pretraining=card.pretraining,
            images=card.images,
            epochs=card.epochs,
            facts=card.facts,
        ),
        data=DataFacts(
            source=options.source,
            digest=dataset.digest,
            test_digest=dataset.test.digest,
            counts=dataset.counts,
            classes=len(dataset.classes),
            limit=options.limit,
            notes=dataset.notes if options.source == "real" else (),
        ),
        protocol=ProtocolFacts(
            name=options.protocol.name, version=options.protocol.version, digest=options.protocol.digest()
        ),
        view=ViewFacts(**asdict(image_set.view)),
        score=main,
        also={metric.name: _score(metric, list(scored.statistics[metric.name]), job)[0] for metric in others},
        floor=floor,
        seeds=[float(primary.value(primary.totals(rows))) for rows in scored.statistics[primary.name]],
        breakdown=_breakdown(dataset.classes, dataset.test.targets, scored.predictions),
        replicates=[round(float(value), 6) for value in replicates],
        setting=_setting(fitted, fitted.chosen),
        settings=[_setting(fitted, place) for place in range(len(fitted.settings))],
        curves=_curves(fitted),
        train_loss=fitted.curves.train_loss[-1][fitted.chosen],
        numerics=asdict(image_set.numerics),
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
    arrays = {
        "ids": np.array(test.ids),
        "targets": test.targets.astype(np.int32),
        "groups": test.groups.astype(np.int32),
        "predictions": scored.predictions.astype(np.int32),
        **{f"statistics.{name}": rows.astype(np.float32) for name, rows in scored.statistics.items()},
    }
    files = {f"{stem}.npz": pack_arrays(arrays)}
    if options.save_heads:
        files[f"{stem}.safetensors"] = _pack_heads(fitted, job.prepared.dataset.classes)
    return files


def _pack_heads(fitted: Fitted, classes: tuple[str, ...]) -> bytes:
    from safetensors.torch import save

    tensors = {
        f"seed{seed}.{name}": tensor.contiguous()
        for seed, head in enumerate(fitted.heads)
        for name, tensor in state(head).items()
    }
    if fitted.setting.standardise:
        tensors |= {"features.mean": fitted.mean.cpu(), "features.std": fitted.std.cpu()}
    return save(tensors, metadata={"classes": "\n".join(classes)})


def _breakdown(classes: tuple[str, ...], targets: np.ndarray, predictions: np.ndarray) -> dict[str, float | None]:
    shares = class_accuracies(targets, predictions, len(classes))
    return {name: number(round(float(share), 6)) for name, share in zip(classes, shares, strict=True)}


def _setting(fitted: Fitted, place: int) -> SettingFacts:
    return SettingFacts(**asdict(fitted.settings[place]), validation=number(fitted.validation[place]))


def _curves(fitted: Fitted) -> CurveFacts:
    def column(table: list[list[float]]) -> list[float | None]:
        return [number(row[fitted.chosen]) for row in table]

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
