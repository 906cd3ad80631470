"""Submit: a random part of the test samples, encoded and scored again with the bundle's own heads.

A claimed class stands if the head gives it the highest output, or one so close to it that the last digits of another
machine may turn the order; and such turns must be as often for the worse as for the better. Made-up statistics do not
survive this: every claimed answer has to be one that these weights give on this picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import torch

from virb.cards.encoder import CheckpointFacts
from virb.cards.protocol import Neighbours
from virb.cards.select import Selection, task
from virb.core.errors import VirbError
from virb.core.types import Predicted, unique_rows
from virb.data.targets import unstored_targets
from virb.encode.encoder import Encoder
from virb.heads.dense import Inputs
from virb.heads.fit import NeighbourProbe, Tested
from virb.metrics import METRICS, Metric
from virb.records.record import Record
from virb.run.options import Options
from virb.run.plan import ImageSet, Job, image_sets
from virb.run.tasks import metrics_of, prepare
from virb.run.truth import constant_maps
from virb.sample import ensure
from virb.submit.container import BundleError
from virb.submit.current import Cards
from virb.submit.heads import image_heads, pixel_heads
from virb.submit.held import Held, image_held, neighbours_held, pixels_held
from virb.submit.part import Part, Rerun, chosen_rows
from virb.submit.recompute import Samples
from virb.submit.verdict import Finding, broken, stale

_SAME, _OTHER = 1e-3, 5e-2
"""How much of an output's spread the claimed class may fall short of the highest: on the same numerics, and where
device or precision differ."""
_TURNED_SAME, _TURNED_OTHER = 0.02, 0.1
"""Which share of the answers may be turned at all, beside two."""
_PIXELS_SAME, _PIXELS_OTHER = 2e-3, 3e-2
"""How much the statistics of a part may differ, relative to the larger ones."""
_LEARNT = 5000
"""Training pictures that are read for the floor, at the most."""
_WORDED = ("naming", "others", "notes")
"""What is said of a weights file in words."""
_ROOM, _RARE = 64, 5
"""Pixels of one class that may be turned in a part, and how many times more of it than of all."""


def rerun(
    record: Record, cards: Cards, samples: Samples, metrics: list[Metric], heads: bytes | None, how: Rerun
) -> Finding:
    """Return what a second run of a part of the test samples says of a record."""
    nearest = isinstance(cards.training, Neighbours)
    if heads is None and not nearest:
        return Finding("consistent", "not run again: the bundle holds no heads of it")
    how = replace(how, options=_options(record, cards, how.options))
    try:
        images, job = _job(cards, how)
    except VirbError as error:
        return Finding("consistent", f"not run again: {error.found}")
    source = job.prepared.source
    if job.prepared.dataset.digest == record.data.digest and source != record.data.source:
        return broken(f"it is called {record.data.source} data, and the very same data here are {source} data")
    if source != record.data.source:
        return Finding("consistent", f"not run again: it is of {record.data.source} data, and those here are {source}")
    if job.prepared.dataset.digest != record.data.digest:
        mine, theirs = job.prepared.dataset, record.data
        return stale(
            f"its data have the fingerprint {theirs.digest[:8]} {theirs.counts}, "
            f"those here {mine.digest[:8]} {mine.counts}"
        )
    if problems := [*_same_samples(job, samples), *_same_facts(record, images, job, samples, how)]:
        return broken("; ".join(problems))
    part = Part(record, images, job, samples, metrics, chosen_rows(len(samples), how, record.keys.resume), how)
    try:
        if heads is None:
            return _nearest(part)
        return _image(part, heads) if record.task.level == "image" else _pixels(part, heads, cards.protocol.size)
    except BundleError as error:
        return broken(error.found)
    except VirbError as error:  # a picture of ours that cannot be read, an encoder that answers NaN
        return Finding("consistent", f"not run again: {error.found}")


def check_encoder(record: Record, encoder: Encoder) -> Finding | None:
    """Return why these weights are not those of a record, or were not read as it says, if so."""
    if encoder.weights_hash != record.encoder.weights_hash:
        return broken(
            f"the weights given have hash {encoder.weights_hash[:12]}, the record was made with "
            f"{record.encoder.weights_hash[:12]}"
        )
    if encoder.fingerprint != record.encoder.fingerprint:
        return stale("the weights are the same, and this copy of virb makes another encoder of them")
    if encoder.arch != record.encoder.arch:
        return broken(f"it says the architecture is {record.encoder.arch}; it is {encoder.arch}")
    return _check_reading(record.encoder.checkpoint, encoder.checkpoint)


def _check_reading(told: CheckpointFacts | None, found: CheckpointFacts | None) -> Finding | None:
    """Return how a record says otherwise what was taken from the weights file and what was not.

    Names of conventions and notes may be put otherwise by another version of virb; a record with others is not
    verified, and nobody has lied.
    """
    if told is None or found is None:
        if told is found:
            return None
        return Finding("consistent", "not verified: it does not say how its weights file was read")
    said, true = told.model_dump(), found.model_dump()
    differing = [name for name in said if said[name] != true[name]]
    if wrong := [name for name in differing if name not in _WORDED]:
        listed = "; ".join(f"{name} {str(said[name])[:120]}, which is {str(true[name])[:120]}" for name in wrong)
        return broken(f"it says its weights file was read otherwise than it is: {listed}")
    return Finding("consistent", f"not verified: it puts {', '.join(differing)} otherwise") if differing else None


def _options(record: Record, cards: Cards, given: Options) -> Options:
    """Return the options of the run that made a record, on this machine."""
    return replace(
        given,
        protocol=cards.protocol,
        limit=record.data.limit,
        seeds=len(record.seeds),
        skip_bad=len(record.data.skipped),
        force=True,
    )


def _job(cards: Cards, how: Rerun) -> tuple[ImageSet, Job]:
    options = how.options
    if options.source == "sample":
        parent = [task(cards.task.head_of).dataset] if cards.task.head_of else []
        ensure([cards.task.dataset, *parent])
    prepared, missing = prepare(Selection((cards.task,), frozenset({cards.task.name})), options)
    if missing:
        raise missing[0].error
    (images,) = image_sets(how.encoder, prepared, options)
    return images, images.jobs[0]


def _same_samples(job: Job, samples: Samples) -> Iterator[str]:
    test = job.prepared.dataset.test
    if samples.ids.tolist() != list(test.ids):
        yield "its sample ids are not those of the test split"
    elif not np.array_equal(samples.groups, test.groups):  # which decide how wide its interval is
        yield "its groups are not those of the test split"
    elif samples.targets is not None and not np.array_equal(samples.targets, test.targets):
        yield "its targets are not those of the test split"


def _same_facts(record: Record, images: ImageSet, job: Job, samples: Samples, how: Rerun) -> Iterator[str]:
    """Yield what a record says of data, view and encoder that is otherwise here."""
    dataset = job.prepared.dataset
    if record.data.counts != dataset.counts or record.data.classes != len(dataset.classes):
        yield f"it says {record.data.counts}, the data have {dataset.counts}"
    if record.data.skipped != dataset.skipped:
        yield f"it says {len(record.data.skipped)} pictures were left out; of the data here {len(dataset.skipped)} are"
    if record.breakdown and list(record.breakdown) != list(dataset.classes):
        yield "its classes have other names than those of the data"
    view = images.images.view
    if record.view.model_dump() != asdict(view):
        yield f"it says it saw {record.view.size} pixels; this encoder sees {view.size}, or has another mean"
    if record.encoder.width != how.encoder.shape.width:
        yield f"it says the encoder has {record.encoder.width} features; it has {how.encoder.shape.width}"
    if record.task.level == "image" and samples.floor is not None:
        metric = METRICS[record.score.metric]
        if not np.array_equal(samples.floor, _floor(metric, job)):
            yield "its floor is not that of the best constant answer to the training samples"


def _floor(metric: Metric, job: Job) -> np.ndarray:
    """Return the statistics of the best constant answer, [N, s]."""
    test, classes = job.prepared.dataset.test, len(job.prepared.dataset.classes)
    output = torch.from_numpy(metric.constant(job.prepared.learnt.train.targets, classes))
    return np.asarray(metric.statistics(output.expand(len(test), -1), torch.from_numpy(test.targets)).numpy())


def _image(part: Part, heads: bytes) -> Finding:
    """Score samples again; each claimed class must be one that the heads give."""
    device, metrics, rows = part.how.options.device, part.metrics, part.rows
    split = part.job.prepared.dataset.test.take(rows)
    fitted = image_heads(part.record, part.job, heads, part.how.encoder, device)
    answers = [torch.stack(outputs, 1) for outputs, _ in fitted.answers(part.pooled(part.image_set, split), split)]
    logits = torch.cat(answers).cpu()  # [n, S, K]
    assert part.samples.predictions is not None
    claimed = torch.from_numpy(part.samples.predictions[:, rows]).T  # [n, S]
    tolerance = _SAME if part.like else _OTHER
    apart, equal = _short(logits, claimed, tolerance)
    if apart or not torch.isfinite(logits).all():
        return broken(f"{part.text}: {apart} of {claimed.numel()} answers are not what the heads give")
    targets = torch.from_numpy(split.targets)
    turned, gain = _turned(logits.argmax(-1), claimed, targets)
    count = claimed.numel()
    if _too_many(part, turned, gain, count):
        return broken(f"{part.text}: {turned} of {count} answers are others, {gain} more of them right than are")
    statistics = part.samples.statistics
    if lucky := [one.name for one in metrics if _lucky(one, logits, targets, statistics[one.name][:, rows], tolerance)]:
        return broken(f"{part.text}: hits of {', '.join(lucky)} are not what the heads give")
    text = f"{part.text}: {equal} of {claimed.numel()} answers are the same, the rest within {tolerance:g}"
    return _with_held(text, image_held(part, fitted))


def _with_held(text: str, held: Held) -> Finding:
    """Return the finding on a record whose test samples agreed, and on its validation score."""
    return broken(held.problem) if held.problem else Finding("verified", f"{text}; {held.told}")


def _nearest(part: Part) -> Finding:
    """Ask the neighbours of samples again. Nothing was trained: the training samples themselves are encoded."""
    owner, images, rows = part.owner, part.owners_images, part.rows
    metric, train, val = metrics_of(owner)[0], owner.dataset.train, owner.dataset.val
    assert isinstance(owner.training, Neighbours)
    assert part.samples.predictions is not None
    known = part.cached(images, unique_rows((train.index, val.index)))
    probe = NeighbourProbe(owner.training, len(owner.dataset.classes), metric, part.how.options.device)
    fitted = probe.fit(known, train, val)
    split = part.job.prepared.dataset.test.take(rows)
    asked = replace(fitted, neighbours=part.record.setting.neighbours or fitted.neighbours)
    answers = [torch.stack(outputs, 1) for outputs, _ in asked.answers(part.pooled(part.image_set, split), split)]
    votes, targets = torch.cat(answers).cpu(), torch.from_numpy(split.targets)
    claimed = torch.from_numpy(part.samples.predictions[:, rows]).T
    turned, gain = _turned(votes.argmax(-1), claimed, targets)
    for one in part.metrics:
        found = one.statistics(votes[:, 0], targets).numpy()
        other = part.samples.statistics[one.name][0, rows]
        turned = max(turned, int((found != other).any(-1).sum()))
    if _too_many(part, turned, gain, len(rows)):
        return broken(f"{part.text}: {turned} of {len(rows)} answers are others, {gain} more of them right than are")
    text = f"{part.text}: {len(rows) - turned} of {len(rows)} answers are the same"
    return _with_held(text, neighbours_held(part, fitted.choice))


def _too_many(part: Part, turned: int, gain: int, count: int) -> bool:
    """Tell whether other digits cannot have turned so many answers, or not so many of them for the better."""
    most = 2 + (_TURNED_SAME if part.like else _TURNED_OTHER) * count
    return turned > most or gain > 1 + 3 * math.sqrt(turned * len(part.record.seeds))


def _short(logits: torch.Tensor, claimed: torch.Tensor, tolerance: float) -> tuple[int, int]:
    """Return how many claimed classes fall short of the highest output, and how many have it."""
    best, least = logits.amax(-1), logits.amin(-1)
    short = (best - logits.gather(-1, claimed[..., None])[..., 0]) / (best - least).clamp(min=1e-12)
    return int((short > tolerance).sum()), int((short <= 0).sum())


def _turned(found: torch.Tensor, claimed: torch.Tensor, targets: torch.Tensor) -> tuple[int, int]:
    """Return how many claimed classes, [n, S], are not the ones found, and how many more of them are right.

    Digits that differ turn answers both ways; who chooses among near ties by the targets turns them one way.
    """
    turned = claimed != found
    right, before = claimed == targets[:, None], found == targets[:, None]
    return int(turned.sum()), int((right & turned).sum()) - int((before & turned).sum())


def _lucky(metric: Metric, logits: torch.Tensor, targets: torch.Tensor, claimed: np.ndarray, tolerance: float) -> bool:
    """Tell whether a metric of several best classes claims hits or misses that the outputs, [n, S, K], do not give."""
    if metric.rank < 2 or metric.rank >= logits.shape[-1]:
        return False
    ordered = logits.sort(-1, descending=True).values
    room = tolerance * (ordered[..., 0] - ordered[..., -1])
    own = logits.gather(-1, targets[:, None, None].expand(-1, logits.shape[1], 1))[..., 0]
    hits = torch.from_numpy(claimed[..., 0] > 0).T  # [n, S]
    never, always = own < ordered[..., metric.rank - 1] - room, own > ordered[..., metric.rank] + room
    return bool((hits & never | ~hits & always).any())


def _pixels(part: Part, heads: bytes, whole: int) -> Finding:
    """Score whole pictures again, also those that are put together from tiles."""
    rows, metrics, samples = part.rows, part.metrics, part.samples
    constant = _constant(part.job, metrics[0], part.how.options, whole)
    found: dict[str, list[np.ndarray]] = {metric.name: [] for metric in metrics}
    floor: list[np.ndarray] = []
    answered = partial(_pixel_answers, part, heads, whole)
    for predictions, wanted in answered(part.job.prepared.tested.take(rows)):
        if constant is not None:
            below = constant(int(wanted.shape[-2]), int(wanted.shape[-1])).expand(wanted.shape)
            floor.append(metrics[0].statistics(below, wanted).cpu().numpy())
        for metric in metrics:
            by_seed = [metric.statistics(one, wanted) for one in predictions]
            found[metric.name].append(torch.stack(by_seed).cpu().numpy())
    gaps = [
        _gap(metric, np.concatenate(found[metric.name], axis=1), samples.statistics[metric.name][:, rows])
        for metric in metrics
    ]
    if not max(gaps) <= (_PIXELS_SAME if part.like else _PIXELS_OTHER):
        return broken(f"{part.text}: the statistics differ by {100 * max(gaps):.2g} %")
    if floor and not _gap(metrics[0], np.concatenate(floor)[None], samples.floor[None, rows]) <= _PIXELS_SAME:
        return broken(f"{part.text}: its floor is not that of the best constant answer to the training samples")
    left = "" if floor else f"; its floor was not, for it takes more than {_LEARNT:,} training pictures"
    text = f"{part.text}: the statistics differ by {100 * max(gaps):.2g} % at most{left}"
    return _with_held(text, pixels_held(part, answered))


def _pixel_answers(part: Part, heads: bytes, whole: int, tested: Tested) -> Iterator[Predicted]:
    """Yield what the bundle's heads give for samples, and their targets."""
    prepared, options = part.job.prepared, part.how.options
    features = part.maps(tested.split)
    none = part.rows[:0]
    shown = prepared.shown
    alone = replace(shown, train=shown.train.take(none), val=shown.val.take(none), test=tested.split)
    targets = unstored_targets(alone, prepared.pieces.size if prepared.pieces else whole, options.decoders)
    inputs = Inputs(features.levels, (part.image_set.images.view.size,) * 2, part.job.task.frames)
    fitted = pixel_heads(part.record, part.job, heads, inputs, targets, part.how.encoder, options.device)
    # A chunk is filled up, however few pictures are wanted of it.
    return fitted.answers(features, tested, max(16, part.image_set.streamed.numerics.chunk))


def _constant(job: Job, metric: Metric, options: Options, size: int) -> Callable[[int, int], torch.Tensor] | None:
    """Return the best constant answer to the training samples at any size, if these are not too many to be read."""
    dataset = job.prepared.dataset
    if len(dataset.train) > _LEARNT:
        return None
    none = dataset.test.take(np.arange(0))
    targets = unstored_targets(replace(dataset, val=none, test=none), size, options.decoders)
    return constant_maps(dataset, targets, [metric], options.device)[metric.name]


def _gap(metric: Metric, found: np.ndarray, claimed: np.ndarray) -> float:
    """Return how far statistics [S, n, s] are apart, at the worst in all or in one column of them: 0 is the same.

    It is the sum of differences over the sum of what is larger. In all of a mean over classes large ones rule, and a
    made-up rare one would not be seen; alone, a rare one is turned the most by the last digits, and has room for that.
    """
    apart = np.abs(found - claimed).sum((0, 1))
    largest = np.maximum(np.abs(found), np.abs(claimed)).sum((0, 1))
    columns = apart
    if metric.per_class(apart) is not None:
        columns = np.maximum(apart - _ROOM * len(found), 0) / _RARE
    shares = np.divide(columns, largest, out=np.zeros_like(columns), where=largest > 0)
    return max(float(shares.max()), float(apart.sum() / max(largest.sum(), 1e-12)))
