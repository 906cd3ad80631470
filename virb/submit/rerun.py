"""Submit: a random part of the test samples, encoded and scored again with the bundle's own heads.

A claimed class stands if the head gives it the highest output, or one so close to it that the last digits of another
machine may turn the order. Made-up statistics do not survive this: every claimed answer has to be one that these
weights give on this picture.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch

from virb.backbones import Encoder
from virb.digest import seed_of
from virb.encode import encode_maps
from virb.errors import VirbError
from virb.fit import Fitted, PixelFitted, predict, predict_pixels
from virb.fit.answer import Answer
from virb.fit.choice import Curves, Setting
from virb.heads import STACKS, Stack
from virb.heads.dense import DENSE, PUBLISHED_DENSE, DenseHeads, Inputs
from virb.metrics import Metric
from virb.plan import ImageSet, Job, Options, image_sets, prepare
from virb.record import Record
from virb.sample import ensure
from virb.submit.current import Cards, broken, stale
from virb.submit.recompute import Samples
from virb.submit.verdict import Finding
from virb.suite import Selection, task
from virb.targets import load_targets
from virb.types import Features, Rows, Split

_LEAST = 16
_SAME, _OTHER = 1e-3, 5e-2
"""How much of an output's spread the claimed class may fall short of the highest: on the same numerics, and where
device or precision differ."""
_PIXELS_SAME, _PIXELS_OTHER = 2e-3, 3e-2
"""How much the scores of a part may differ, relative to the larger one, or the pixels that are counted."""


@dataclass(frozen=True)
class Rerun:
    """How a part of the test samples is chosen and run again."""

    encoder: Encoder
    options: Options
    share: float
    seed: int


class _Unable(Exception):
    """A record that cannot be run again here, with the reason."""


def rerun(
    record: Record, cards: Cards, samples: Samples, metrics: list[Metric], heads: bytes | None, how: Rerun
) -> Finding:
    """Return what a second run of a part of the test samples says of a record."""
    if heads is None:
        return Finding("consistent", "not run again: the bundle holds no heads of it")
    try:
        images, job = _job(record, cards, how)
    except VirbError as error:
        return Finding("consistent", f"not run again: {error.found}")
    if job.prepared.dataset.digest != record.data.digest:
        mine, theirs = job.prepared.dataset, record.data
        return stale(
            f"its data have the fingerprint {theirs.digest[:8]} {theirs.counts}, "
            f"those here {mine.digest[:8]} {mine.counts}"
        )
    if (problem := _same_samples(job, samples)) is not None:
        return problem
    rows = chosen_rows(len(samples), how, record.keys.resume)
    try:
        if record.task.level == "image":
            return _image(record, images, job, samples, heads, rows, how)
        return _pixels(record, images, job, samples, metrics, heads, rows, cards.protocol.size, how)
    except _Unable as error:
        return Finding("consistent", f"not run again: {error}")


def check_encoder(record: Record, encoder: Encoder) -> Finding | None:
    """Return why these weights are not those of a record, if they are not."""
    if encoder.weights_hash != record.encoder.weights_hash:
        return broken(
            f"the weights given have hash {encoder.weights_hash[:12]}, the record was made with "
            f"{record.encoder.weights_hash[:12]}"
        )
    if encoder.fingerprint != record.encoder.fingerprint:
        return stale("the weights are the same, and this copy of virb makes another encoder of them")
    return None


def chosen_rows(count: int, how: Rerun, name: str) -> np.ndarray:
    """Return which samples are run again: at random, by the seed, and never fewer than a handful."""
    some = min(count, max(_LEAST, math.ceil(how.share * count)))
    generator = np.random.default_rng(seed_of(f"slice/{how.seed}/{name}"))
    return np.sort(generator.permutation(count)[:some])


def _job(record: Record, cards: Cards, how: Rerun) -> tuple[ImageSet, Job]:
    options = replace(
        how.options,
        protocol=cards.protocol,
        limit=record.data.limit,
        seeds=len(record.seeds),
        skip_bad=len(record.data.skipped),
        force=True,
    )
    if options.source == "sample":
        parent = [task(cards.task.head_of).dataset] if cards.task.head_of else []
        ensure([cards.task.dataset, *parent])
    prepared, missing = prepare(Selection((cards.task,), frozenset({cards.task.name})), options)
    if missing:
        raise missing[0].error
    (images,) = image_sets(how.encoder, prepared, options)
    return images, images.jobs[0]


def _same_samples(job: Job, samples: Samples) -> Finding | None:
    test = job.prepared.dataset.test
    if samples.ids.tolist() != list(test.ids):
        return broken("its sample ids are not those of the test split")
    if samples.targets is not None and not np.array_equal(samples.targets, test.targets):
        return broken("its targets are not those of the test split")
    return None


def _encoded(images: ImageSet, split: Split, how: Rerun, kept: tuple[int, ...]) -> Features:
    """Return the features of these samples alone, from the pictures and not from the cache."""
    rows = np.unique(split.index)
    parts = list(
        encode_maps(
            how.encoder, images.pool, rows, images.view, images.numerics, how.options.device, how.options.decoders, kept
        )
    )
    pooled, packed = (torch.cat(column) for column in zip(*parts, strict=True))
    every = how.encoder.levels(images.view.size) if kept else ()
    maps = Rows(packed) if kept else None
    return Features(rows, pooled.to(how.options.device), maps, tuple(every[place] for place in kept))


def _like(record: Record, images: ImageSet) -> bool:
    """Tell whether features are made here as they were made then, down to the last digits."""
    return {**record.numerics, "chunk": 0} == {**asdict(images.numerics), "chunk": 0}


def _image(
    record: Record, images: ImageSet, job: Job, samples: Samples, heads: bytes, rows: np.ndarray, how: Rerun
) -> Finding:
    split = job.prepared.dataset.test.take(rows)
    features = _encoded(images, split, how, ())
    fitted = _fitted(record, job, heads, how)
    logits = torch.cat(list(predict(fitted, features, split, how.options.device))).cpu()  # [n, S, K]
    assert samples.predictions is not None
    claimed = torch.from_numpy(samples.predictions[:, rows]).T[..., None]
    best, least = logits.amax(-1), logits.amin(-1)
    short = (best - logits.gather(-1, claimed)[..., 0]) / (best - least).clamp(min=1e-12)
    tolerance = _SAME if _like(record, images) else _OTHER
    apart, equal = int((short > tolerance).sum()), int((short <= 0).sum())
    text = f"{len(rows)} of {len(samples)} test samples were encoded and scored again with {len(record.seeds)} heads"
    if apart or not torch.isfinite(logits).all():
        return broken(f"{text}: {apart} of {short.numel()} answers are not what the heads give")
    return Finding(
        "verified", f"{text}: {equal} of {short.numel()} answers are the same, the rest within {tolerance:g}"
    )


def _tensors(heads: bytes, seeds: int) -> tuple[list[dict[str, torch.Tensor]], dict[str, torch.Tensor]]:
    """Return each seed's tensors by their names, and the rest; safetensors hold no code."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(heads)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise _Unable(f"its heads cannot be read: {error}") from error
    named: list[dict[str, torch.Tensor]] = [{} for _ in range(seeds)]
    rest = {}
    for name, tensor in tensors.items():
        first, _, inner = name.partition(".")
        if first.startswith("seed") and first[4:].isdecimal() and int(first[4:]) < seeds:
            named[int(first[4:])][inner] = tensor
        else:
            rest[name] = tensor
    return named, rest


def _fitted(record: Record, job: Job, heads: bytes, how: Rerun) -> Fitted:
    """Return the bundle's heads as what was trained."""
    named, rest = _tensors(heads, len(record.seeds))
    dataset, task = job.prepared.dataset, job.task
    width, device = how.encoder.shape.width, how.options.device
    stacks = []
    for state in named:
        stack = STACKS[job.prepared.head](1, width, task.frames, len(dataset.classes), torch.Generator(), device)
        stacks.append(_filled(stack, state))
    setting = _setting(record)
    size = width * task.frames
    mean, std = (_vector(rest, f"features.{name}", size, setting.standardise, device) for name in ("mean", "std"))
    return Fitted((setting,), 0, np.zeros(1), Curves(), tuple(stacks), mean, std)


def _setting(record: Record) -> Setting:
    chosen = record.setting
    if chosen.learning_rate is None or chosen.weight_decay is None:
        raise _Unable("nothing was trained for it")
    return Setting(chosen.learning_rate, chosen.weight_decay, chosen.standardise)


def _filled(stack: Stack, state: Mapping[str, torch.Tensor]) -> Stack:
    for place, name in enumerate(stack.names):
        own = stack.parameters[place]
        given = state.get(name)
        if given is None or given.shape != own.shape[1:] or given.dtype != own.dtype:
            raise _Unable(f"its heads have no tensor {name} of shape {tuple(own.shape[1:])}")
        own.copy_(given[None])
    return stack


def _vector(
    tensors: Mapping[str, torch.Tensor], name: str, size: int, needed: bool, device: torch.device
) -> torch.Tensor:
    if not needed:
        return torch.zeros(size, device=device)
    found = tensors.get(name)
    if found is None or found.shape != (size,):
        raise _Unable(f"its heads have no tensor {name} of {size} numbers")
    return found.to(device)


def _pixels(
    record: Record,
    images: ImageSet,
    job: Job,
    samples: Samples,
    metrics: list[Metric],
    heads: bytes,
    rows: np.ndarray,
    size: int,
    how: Rerun,
) -> Finding:
    if images.view.geometry != "squash":
        raise _Unable("its pictures are cut into tiles")
    dataset = job.prepared.dataset
    split = dataset.test.take(rows)
    features = _encoded(images, split, how, images.kept)
    alone = replace(dataset, train=dataset.train.take(rows[:0]), val=dataset.val.take(rows[:0]), test=split)
    targets = load_targets(alone, size, how.options.features().store, how.options.decoders)
    fitted = _pixel_fitted(record, job, heads, features, images.view.size, how)
    found: dict[str, list[np.ndarray]] = {metric.name: [] for metric in metrics}
    for predictions, wanted in predict_pixels(fitted, features, targets, split, how.options.device):
        for metric in metrics:
            by_seed = [metric.statistics(one, wanted) for one in predictions]
            found[metric.name].append(torch.stack(by_seed).cpu().numpy())
    tolerance = _PIXELS_SAME if _like(record, images) else _PIXELS_OTHER
    text = f"{len(rows)} of {len(samples)} test samples were encoded and scored again with {len(record.seeds)} heads"
    gaps = [
        _gap(np.concatenate(found[metric.name], axis=1), samples.statistics[metric.name][:, rows]) for metric in metrics
    ]
    if not max(gaps) <= tolerance:
        return broken(f"{text}: the statistics differ by {100 * max(gaps):.2g} %")
    return Finding("verified", f"{text}: the statistics differ by {100 * max(gaps):.2g} % at most")


def _gap(found: np.ndarray, claimed: np.ndarray) -> float:
    """Return the sum of differences over the sum of what is larger: 0 is the same, 1 has nothing in common."""
    largest = np.maximum(np.abs(found), np.abs(claimed)).sum()
    return float(np.abs(found - claimed).sum() / largest) if largest else 0.0


def _pixel_fitted(record: Record, job: Job, heads: bytes, features: Features, size: int, how: Rerun) -> PixelFitted:
    named, rest = _tensors(heads, len(record.seeds))
    mean, scale = rest.get("output.mean"), rest.get("output.scale")
    if mean is None or scale is None or mean.ndim != 3 or mean.shape != scale.shape:
        raise _Unable("its heads do not say how outputs are read")
    inputs = Inputs(features.levels, (size, size), job.task.frames)
    stacks = []
    for state in named:
        head = _empty_head(job, inputs, len(mean), how)
        try:
            head.load({name: tensor.to(how.options.device) for name, tensor in state.items()})
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            raise _Unable(f"its heads do not fit: {str(error)[:200]}") from error
        stacks.append(head)
    answer = Answer(job.task.loss, mean.to(how.options.device), scale.to(how.options.device))
    setting = _setting(record)
    return PixelFitted((setting,), 0, np.zeros(1), Curves(), tuple(stacks), answer)


def _empty_head(job: Job, inputs: Inputs, outputs: int, how: Rerun) -> DenseHeads:
    name, device = job.prepared.head, how.options.device
    generator = torch.Generator()
    if name in PUBLISHED_DENSE:
        model = getattr(how.encoder.body, "model", None)
        return PUBLISHED_DENSE[name](1, inputs, outputs, generator, device, model)
    return DENSE[name](1, inputs, outputs, generator, device)
