"""Encoder run: one encoder on its way through the tasks, with what was asked for and who is told."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

import torch

from virb.core.progress import Progress
from virb.core.types import Features, Images
from virb.encode.encoder import Encoder
from virb.encode.features import Pass
from virb.encode.stream import StreamedMaps
from virb.heads.fit import Fitted
from virb.run.options import Options
from virb.run.plan import ImageSet
from virb.run.report import Report

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EncoderRun:
    """One encoder, the options and the listeners of its run, and heads that another task is scored with later."""

    encoder: Encoder
    options: Options
    progress: Progress
    report: Report
    borrowed: dict[str, Fitted | None] = field(default_factory=dict)
    """By the task that trains them; the heads of other tasks need not stay in memory."""

    def over(self, images: Images) -> Pass:
        """Return the encoder over some images, on the device and with the workers of this run."""
        return Pass(self.encoder, images, self.options.device, self.options.decoders)

    def features(self, image_set: ImageSet) -> Features:
        """Return an image set's features, on the device that heads train on; streamed maps are made later."""
        if image_set.streaming is None:
            return self._cached(image_set.images)
        images, streaming = image_set.streamed, image_set.streaming
        reason = f"maps of {images.pool.source} are made batch by batch: {streaming.reason}"
        self.progress.say(f"{self.encoder.card.name}: {reason}")
        features = Features(images.rows, torch.empty(len(images), 0))
        if any(job.task.level == "image" for job in image_set.waiting):
            features = self._cached(replace(image_set.images, kept=()))
        one = self.over(replace(images, rows=features.rows))
        return replace(features, maps=StreamedMaps(one, streaming.exact, streaming.augment), levels=one.levels)

    def _cached(self, images: Images) -> Features:
        """Return features from the cache, encoded first where they are not there."""
        stage = f"{self.encoder.card.name}: encode {images.pool.source}"
        with self.progress.stage(stage, len(images), "images") as advance:
            found = self.options.features().features(self.over(images), advance, self.progress.say)
        return self._on_device(found)

    def _on_device(self, features: Features) -> Features:
        """Keep features on the GPU while heads train, where they fit."""
        device = self.options.device
        if device.type != "cuda":
            return features
        try:
            return replace(features, pooled=features.pooled.to(device))
        except torch.OutOfMemoryError:
            log.warning("the features do not fit on %s: they stay in memory", device)
            return features
