"""Task cards: what is asked of an encoder, on which data, and how the answer is scored."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from virb.cards.card import Card, Frozen, Name

Level = Literal["image", "pixel"]


Kind = Literal["semantic", "structural"]


ImageHead = Literal["linear", "frames"]


PixelHead = Literal["upshuffle", "siamese", "aspp"]


ImageMetric = Literal["top1", "top5", "mean_per_class", "mae"]


PixelMetric = Literal[
    "iou", "miou", "hand_iou", "pixel_accuracy", "pixel_mae", "rmse", "absrel", "delta1", "scale_invariant", "epe",
    "fl_all",
]  # fmt: skip


Positive = Annotated[int, Field(ge=1, le=10**15)]
Few = Annotated[int, Field(ge=1, le=100)]
"""A count of what is held in memory at once, such as frames and seeds."""
Side = Annotated[int, Field(ge=1, le=2048)]
"""Pixels of a picture's side, as an encoder sees it."""
Batch = Annotated[int, Field(ge=1, le=1 << 20)]


Rate = Annotated[float, Field(gt=0, lt=10)]


class Published(Frozen):
    """The numbers of the 2021 paper's configuration for one task, from its code and history."""

    epochs: Positive
    batch: Batch
    learning_rate: Rate
    comparable: bool
    reason: str = ""
    crop: Annotated[int, Field(ge=16, le=2048)] | None = None
    """Pixels of the side of a training crop, of a task that the paper did not squash."""

    @model_validator(mode="after")
    def _say_why_not(self) -> Self:
        if not self.comparable and not self.reason:
            raise ValueError("comparable: false needs a reason")
        return self


class Task(Card):
    """One downstream task: which data, which target, which head, which metric."""

    descriptive = frozenset({"title", "split", "paper", "licence", "open", "published", "extra"})

    level: Level
    kind: Kind
    extra: bool = False
    open: bool = False
    dataset: str
    target: str
    frames: Few = 1
    geometry: Literal["squash", "tiles"] = "squash"
    """`tiles`: pictures too large for one view are trained on crops and tested in overlapping tiles."""
    head: ImageHead | PixelHead
    head_of: Name | None = None
    """The task whose trained heads are scored on this one's test split; it has no training samples of its own."""
    loss: Literal["cross_entropy", "binary", "l1"]
    metric: ImageMetric | PixelMetric
    also: tuple[ImageMetric | PixelMetric, ...] = ()
    version: Positive
    split: str
    paper: str
    licence: str
    published: Published | None = None

    @model_validator(mode="after")
    def _frames_need_their_head(self) -> Self:
        if (self.frames > 1) != (self.head in ("frames", "siamese")) or (self.head == "siamese" and self.frames != 2):
            raise ValueError(f"frames: {self.frames} does not go with head: {self.head}")
        return self

    @model_validator(mode="after")
    def _levels_have_their_heads_and_metrics(self) -> Self:
        heads, metrics = (
            (get_args(ImageHead), get_args(ImageMetric))
            if self.level == "image"
            else (get_args(PixelHead), get_args(PixelMetric))
        )
        if self.head not in heads:
            raise ValueError(f"head: {self.head} is not for level: {self.level}; one of {', '.join(heads)}")
        if wrong := [name for name in (self.metric, *self.also) if name not in metrics]:
            raise ValueError(f"metric {wrong[0]} is not for level: {self.level}; one of {', '.join(metrics)}")
        if self.level == "image" and self.loss != "cross_entropy":
            raise ValueError(f"loss: {self.loss} is for pixel tasks; image tasks take cross_entropy")
        return self

    @model_validator(mode="after")
    def _only_pixels_are_cut(self) -> Self:
        if self.geometry == "tiles" and self.level != "pixel":
            raise ValueError("geometry: tiles is for pixel tasks; a class is told from the whole picture")
        return self

    @property
    def published_metric(self) -> str:
        """The one number of the 2021 paper for tasks of this loss."""
        return {"binary": "published_iou", "cross_entropy": "published_miou", "l1": "published_l1"}[self.loss]

    @property
    def quadrant(self) -> str:
        """Level and kind as one word, such as `image-semantic`."""
        return f"{self.level}-{self.kind}"

    @property
    def groups(self) -> frozenset[str]:
        """Every group name this task answers to on the command line."""
        named = {"extra"} if self.extra else {"all", self.level, self.kind, self.quadrant}
        return frozenset(named | {"open"} if self.open else named)
