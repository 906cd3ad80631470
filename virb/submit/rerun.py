"""Submit: a random part of the test samples, encoded and scored again with the bundle's own heads.

A claimed class stands if the head gives it the highest output, or one so close to it that the last digits of another
machine may turn the order; and such turns must be as often for the worse as for the better. Made-up statistics do not
survive this: every claimed answer has to be one that these weights give on this picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch

from virb.cards.select import Selection, task
from virb.core.digest import seed_of
from virb.core.errors import VirbError
from virb.core.types import Features, Images, Predicted, Split
from virb.data.targets import unstored_targets
from virb.encode.encoder import Encoder
from virb.encode.features import Pass
from virb.encode.stream import StreamedMaps
from virb.heads.dense import Inputs
from virb.metrics import METRICS, Metric
from virb.records.record import Record
from virb.run.options import Options
from virb.run.plan import ImageSet, Job, image_sets
from virb.run.tasks import prepare
from virb.run.truth import constant_maps
from virb.sample import ensure
from virb.submit.container import BundleError
from virb.submit.current import Cards
from virb.submit.heads import image_heads, pixel_heads
from virb.submit.recompute import Samples
from virb.submit.verdict import Finding, broken, stale

_LEAST = 16
_SAME, _OTHER = 1e-3, 5e-2
"""How much of an output's spread the claimed class may fall short of the highest: on the same numerics, and where
device or precision differ."""
_TURNED_SAME, _TURNED_OTHER = 0.02, 0.1
"""Which share of the answers may be turned at all, beside two."""
_PIXELS_SAME, _PIXELS_OTHER = 2e-3, 3e-2
"""How much the statistics of a part may differ, relative to the larger ones."""
_LEARNT = 5000
"""Training pictures that are read for the floor, at the most."""
_ROOM, _RARE = 64, 5
"""Pixels of one class that may be turned in a part, and how many times more of it than of all."""


@dataclass(frozen=True)
class Rerun:
    """How a part of the test samples is chosen and run again."""

    encoder: Encoder
    options: Options
    share: float
    seed: int


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
    part = _Part(record, images, job, samples, metrics, chosen_rows(len(samples), how, record.keys.resume), how)
    try:
        return _image(part, heads) if record.task.level == "image" else _pixels(part, heads, cards.protocol.size)
    except BundleError as error:
        return broken(error.found)
    except VirbError as error:  # a picture of ours that cannot be read, an encoder that answers NaN
        return Finding("consistent", f"not run again: {error.found}")


@dataclass(frozen=True)
class _Part:
    """A part of a record's test samples, to be scored again."""

    record: Record
    image_set: ImageSet
    job: Job
    samples: Samples
    metrics: list[Metric]
    rows: np.ndarray
    how: Rerun

    @property
    def text(self) -> str:
        """What was done."""
        heads = len(self.record.seeds)
        return f"{len(self.rows)} of {len(self.samples)} test samples were encoded and scored again with {heads} heads"

    @property
    def like(self) -> bool:
        """Whether features are made here as they were made then, down to the last digits.

        In half precision another device of the same kind may add up in another order, and one digit is much then.
        """
        numerics = self.image_set.images.numerics
        same = {**self.record.numerics, "chunk": 0} == {**asdict(numerics), "chunk": 0}
        return same and numerics.precision == "float32"

    def over(self, images: Images) -> Pass:
        """Return the encoder over some images, on this machine."""
        return Pass(self.how.encoder, images, self.how.options.device, self.how.options.decoders)


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


def _pooled(part: _Part, split: Split) -> Features:
    """Return the pooled features of these samples alone, from the pictures and not from the cache."""
    rows = np.unique(split.index)
    one = part.over(replace(part.image_set.images, rows=rows, kept=()))
    return Features(rows, torch.cat([pooled for pooled, _ in one.chunks()]).to(one.device))


def _maps(part: _Part, split: Split) -> Features:
    """Return features whose maps are made a batch at a time: those of a part may be too many for memory."""
    rows, streaming = np.unique(split.index), part.image_set.streaming
    one = part.over(replace(part.image_set.streamed, rows=rows))
    maps = StreamedMaps(one, exact=streaming is not None and streaming.exact)
    return Features(rows, torch.empty(len(rows), 0), maps, one.levels)


def _image(part: _Part, heads: bytes) -> Finding:
    """Score samples again; each claimed class must be one that the heads give."""
    device, metrics, rows = part.how.options.device, part.metrics, part.rows
    split = part.job.prepared.dataset.test.take(rows)
    fitted = image_heads(part.record, part.job, heads, part.how.encoder, device)
    answers = [torch.stack(outputs, 1) for outputs, _ in fitted.answers(_pooled(part, split), split)]
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
    if turned > 2 + (_TURNED_SAME if part.like else _TURNED_OTHER) * claimed.numel() or gain > 1 + 3 * math.sqrt(
        turned * claimed.shape[1]
    ):
        return broken(f"{part.text}: {turned} of {count} answers are others, {gain} more of them right than are")
    statistics = part.samples.statistics
    if lucky := [one.name for one in metrics if _lucky(one, logits, targets, statistics[one.name][:, rows], tolerance)]:
        return broken(f"{part.text}: hits of {', '.join(lucky)} are not what the heads give")
    return Finding(
        "verified", f"{part.text}: {equal} of {claimed.numel()} answers are the same, the rest within {tolerance:g}"
    )


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


def _pixels(part: _Part, heads: bytes, whole: int) -> Finding:
    """Score whole pictures again, also those that are put together from tiles."""
    rows, metrics, samples = part.rows, part.metrics, part.samples
    constant = _constant(part.job, metrics[0], part.how.options, whole)
    found: dict[str, list[np.ndarray]] = {metric.name: [] for metric in metrics}
    floor: list[np.ndarray] = []
    for predictions, wanted in _pixel_answers(part, heads, whole):
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
    return Finding("verified", f"{part.text}: the statistics differ by {100 * max(gaps):.2g} % at most{left}")


def _pixel_answers(part: _Part, heads: bytes, whole: int) -> Iterator[Predicted]:
    """Yield what the bundle's heads give for the chosen samples, and their targets."""
    prepared, options, rows = part.job.prepared, part.how.options, part.rows
    tested = prepared.tested.take(rows)
    features = _maps(part, tested.split)
    none = rows[:0]
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
