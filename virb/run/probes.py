"""Probes: what card and protocol ask of one task, as the probe that does it (stage 5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from virb.cards.protocol import Neighbours, PixelTraining, Training
from virb.encode.features import head_precision
from virb.heads.fit import NeighbourProbe, PixelProbe, Probe, StackProbe
from virb.run import virb2021
from virb.run.encoder_run import EncoderRun
from virb.run.plan import ImageSet
from virb.run.tasks import Prepared, metrics_of
from virb.run.truth import PixelTruth, Truth


def probe_of(run: EncoderRun, image_set: ImageSet, prepared: Prepared, truth: Truth) -> Probe:
    """Return the probe of one task."""
    made: Probe = _PROBES[type(prepared.training)](run, image_set, prepared, truth)
    return made


def _stack(run: EncoderRun, image_set: ImageSet, prepared: Prepared, truth: Truth) -> StackProbe:
    training, classes = cast(Training, prepared.training), len(prepared.dataset.classes)
    metric, name = metrics_of(prepared)[0], prepared.task.name
    return StackProbe(training, prepared.head, classes, metric, name, run.options.device)


def _neighbours(run: EncoderRun, image_set: ImageSet, prepared: Prepared, truth: Truth) -> NeighbourProbe:
    training, classes = cast(Neighbours, prepared.training), len(prepared.dataset.classes)
    return NeighbourProbe(training, classes, metrics_of(prepared)[0], run.options.device)


def _pixels(run: EncoderRun, image_set: ImageSet, prepared: Prepared, truth: Truth) -> PixelProbe:
    task, pieces = prepared.task, prepared.pieces
    return PixelProbe(
        training=cast(PixelTraining, prepared.training),
        head=prepared.head,
        classes=len(prepared.dataset.classes),
        metric=metrics_of(prepared)[0],
        name=task.name,
        device=run.options.device,
        loss=task.loss,
        targets=cast(PixelTruth, truth).targets,
        size=image_set.images.view.size,
        model=run.encoder.model,
        weights=virb2021.weights_of(task) if prepared.as_published else None,
        precision=head_precision(image_set.images.numerics),
        crops=pieces.crops if pieces else 1,
    )


_PROBES: dict[type, Callable[..., Probe]] = {Training: _stack, Neighbours: _neighbours, PixelTraining: _pixels}
"""By what a protocol's card holds for the level of a task."""
