"""Spec: what a task, an encoder and a protocol declare. Frozen, strict, read from YAML."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from virb.card import Card, Frozen, Name
from virb.digest import digest
from virb.errors import CardError, Unsuited

Level = Literal["image", "pixel"]
Kind = Literal["semantic", "structural"]
ImageHead = Literal["linear", "frames"]
PixelHead = Literal["upshuffle", "siamese", "aspp"]
ImageMetric = Literal["top1", "top5", "mean_per_class", "mae"]
PixelMetric = Literal[
    "iou", "miou", "hand_iou", "pixel_accuracy", "pixel_mae", "rmse", "absrel", "delta1", "scale_invariant", "epe",
    "fl_all",
]  # fmt: skip
Triple = tuple[float, float, float]
Deviation = Annotated[float, Field(gt=0)]
Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0, lt=10)]


class Published(Frozen):
    """The numbers of the 2021 paper's configuration for one task, from its code and history."""

    epochs: Positive
    batch: Positive
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
    frames: Positive = 1
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
    def quadrant(self) -> str:
        """Level and kind as one word, such as `image-semantic`."""
        return f"{self.level}-{self.kind}"

    @property
    def groups(self) -> frozenset[str]:
        """Every group name this task answers to on the command line."""
        named = {"extra"} if self.extra else {"all", self.level, self.kind, self.quadrant}
        return frozenset(named | {"open"} if self.open else named)


class Grid(Frozen):
    """How heads are trained: the grid of settings and everything that all settings share."""

    optimiser: Literal["adamw", "adam"]
    batch: Positive
    epochs: Positive
    schedule: Literal["cosine", "constant"]
    learning_rates: Annotated[tuple[Rate, ...], Field(min_length=1)]
    weight_decays: Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1)]
    """With adam the factor of an L2 penalty, as logistic regression has it; with adamw decoupled, times the rate."""
    seeds: Positive


class Training(Grid):
    """The training of image-level heads."""

    standardise: Annotated[tuple[bool, ...], Field(min_length=1)]


class PixelTraining(Grid):
    """The training of pixel-wise heads."""

    head: Literal["card", "dense_linear", "published"]
    """`card`: the head that the task's card names; `dense_linear`: the light one for every task; `published`: that of
    the 2021 paper for what the card names, with the paper's target and metric."""
    search_seeds: Positive
    """Every setting is trained with these many seeds, the chosen one with the rest of them too."""
    augment: bool = False
    """Whether the colours of training pictures are changed each time they are seen, for published heads."""
    clip: Annotated[float, Field(gt=0)] | None = 1.0
    """The largest norm of one setting's gradient; none where it may be any."""
    scale_targets: bool = True
    """Whether values are learnt in units of their deviation, so that one learning rate suits metres and shares."""


class Tiles(Frozen):
    """How pictures too large for one view are cut, where a task's card says so."""

    overlap: Annotated[float, Field(ge=0, le=0.9)]
    """The part of a side that neighbouring tiles of the test share, or more."""
    crops: Positive | None = None
    """Boxes drawn in each training picture, of which every epoch takes the next; None: one for each epoch."""


class Neighbours(Frozen):
    """Nearest neighbours in the stead of trained heads; there is nothing to seed."""

    neighbours: tuple[Positive, ...]
    seeds: Positive = 1


class Protocol(Card):
    """The rules of one comparison; records of different protocols never stand in one ranking."""

    version: Positive
    size: Annotated[int, Field(ge=16, le=2048)]
    choice: Literal["validation", "none"]
    """`none`: validation joins the training samples and the only setting is kept, as published."""
    published: bool = False
    """Epochs, batch and learning rate are the paper's, per task, and stand on the task card."""
    image: Training | None = None
    neighbours: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = ()
    """Image-level tasks ask so many nearest training samples instead of training a head, as many as do best."""
    pixel: PixelTraining | None = None
    """None: this protocol does not train pixel-wise heads."""
    tiles: Tiles | None = None
    """None: pictures too large for one view are squashed like the others."""

    @model_validator(mode="after")
    def _images_are_judged_in_one_way(self) -> Self:
        if (self.image is None) == (not self.neighbours):
            raise ValueError("give either image (how heads are trained) or neighbours (how many are asked)")
        if self.neighbours and (self.published or self.choice == "none" or self.pixel):
            raise ValueError("neighbours are chosen on validation, are not published, and know no pixels")
        return self

    def digest(self) -> str:
        """Return the digest of the rules; the one of protocols that train heads is what it always was."""
        unused = "neighbours" if self.image else "image"
        return digest(self.model_dump(mode="json", exclude={*self.descriptive, unused}))

    @model_validator(mode="after")
    def _only_published_training_changes_pictures(self) -> Self:
        if self.pixel and self.pixel.augment and self.pixel.head != "published":
            raise ValueError(f"pixel: augment: true goes with head: published, not with {self.pixel.head}")
        return self

    @model_validator(mode="after")
    def _a_choice_needs_validation(self) -> Self:
        own = self.image
        settings = len(own.learning_rates) * len(own.weight_decays) * len(own.standardise) if own else 1
        if self.pixel:
            settings = max(settings, len(self.pixel.learning_rates) * len(self.pixel.weight_decays))
        if self.choice == "none" and settings > 1:
            raise ValueError(f"choice: none allows one setting, and the grid has {settings}")
        return self

    def suits(self, task: Task) -> bool:
        """Tell whether this protocol has a way to judge the task's level."""
        return task.level == "image" or self.pixel is not None

    def training(self, task: Task) -> Training | PixelTraining | Neighbours:
        """Return the training of one task's head, with the paper's numbers where the protocol wants them."""
        if self.neighbours and task.level == "image":
            return Neighbours(neighbours=self.neighbours)
        own = self.image if task.level == "image" else self.pixel
        if own is None:
            raise Unsuited(
                f"protocol {self.name} does not train pixel-wise heads, and {task.name} needs one",
                "a protocol card with a 'pixel' part",
                "choose --tasks image, or another protocol",
            )
        if not self.published:
            return own
        numbers = task.published
        if numbers is None or not numbers.comparable:
            raise Unsuited(
                f"protocol {self.name} has no comparable published numbers for task {task.name}"
                + (f" ({numbers.reason})" if numbers else ""),
                "a task whose card says 'comparable: true' under 'published'",
                "leave this task out, or use --protocol standard",
            )
        if task.geometry == "tiles" and self.tiles and numbers.crop is None:
            raise CardError(
                f"protocol {self.name} trains {task.name} on crops, and its card does not say of which size",
                "the pixels of their side, as 'crop' under 'published'",
                "correct the card, or use --protocol standard",
            )
        return own.model_copy(
            update={
                "epochs": numbers.epochs,
                "batch": numbers.batch,
                "learning_rates": (numbers.learning_rate,),
            }
        )


Family = Literal[
    "supervised", "contrastive", "clustering", "redundancy", "distillation", "masked", "predictive", "language", "none"
]
"""What an encoder learns from: labels, pairs of views, clusters, decorrelated features, a teacher made of itself,
hidden patches, hidden features, texts, or nothing."""


class EncoderCard(Card):
    """Where an encoder comes from and what is known of it; the facts feed the analyses."""

    descriptive = frozenset({"title", "family", "paper", "licence", "home", "facts", "from_memory"})

    weights: Annotated[str, Field(min_length=1)]
    """`timm:NAME`, `torchvision:NAME`, `random:ARCH`, `baseline:NAME`, a checkpoint file, or its https address."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    bytes: Positive | None = None
    """The size of the file at an address, where it is known."""
    arch: str | None = None
    prefix: str | None = None
    """Which of several networks in a weights file is meant, by a part of what stands before its tensors' names."""
    allow_missing: tuple[str, ...] = ()
    """Patterns of tensors that may be missing, of another shape or unknown, such as 'norm.*'; the record names them."""
    mean: Triple | None = None
    std: tuple[Deviation, Deviation, Deviation] | None = None
    size: Positive | None = None
    method: str = ""
    family: Family | None = None
    pretraining: str = ""
    images: Positive | None = None
    epochs: Positive | None = None
    paper: str = ""
    licence: str = ""
    home: str = ""
    """The page on which the owner offers the weights."""
    facts: dict[str, str | int | float | bool] = Field(default_factory=dict)
    from_memory: tuple[str, ...] = ()
    """Fields that nobody has checked against a source yet."""

    @model_validator(mode="after")
    def _only_files_are_pinned(self) -> Self:
        if not self.names_file and (self.sha256 or self.bytes or self.arch or self.prefix or self.allow_missing):
            found = "sha256, bytes, arch, prefix and allow_missing"
            raise ValueError(f"{found} belong to a weights file, not to {self.weights.partition(':')[0]}:")
        if self.weights.startswith("http:") and not self.sha256:
            raise ValueError("weights: an address that begins with http: can be changed on the way; give its sha256")
        return self

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the card in a file; a card may name weights and never code, for cards come from strangers."""
        card = super().read(path)
        if re.match(r"(python|plugin):", card.weights) or re.search(r"\.py(:\w+)?$", card.weights):
            raise CardError(
                f"{path} has 1 problem:\n  - weights: {card.weights!r} is code, and a card never starts any",
                "a checkpoint file, its https address, timm:NAME, torchvision:NAME, random:ARCH or baseline:NAME",
                "name the python file yourself: --encoder file.py:Name",
            )
        return card

    @property
    def names_file(self) -> bool:
        """Whether the weights are a file or its address, and not a name that a library knows."""
        return not re.match(r"(timm|torchvision|random|baseline|python|plugin):", self.weights)

    @property
    def address(self) -> str | None:
        """Where the weights file can be fetched, if the card names an address and no file."""
        return self.weights if re.match(r"https?://", self.weights) else None

    @property
    def shown_weights(self) -> str:
        """What the weights are called where others read it: a file without the folders of this machine."""
        if self.weights.startswith("python:"):
            return "python:" + self.weights.replace("\\", "/").rsplit("/", 1)[-1].rstrip(":")
        return self.weights if ":" in self.weights else self.weights.replace("\\", "/").rsplit("/", 1)[-1]

    @property
    def architecture(self) -> str:
        """The architecture as far as the card tells it, without the tag of its weights."""
        scheme, _, name = self.weights.partition(":")
        return self.arch or (re.split(r"[.@]", name)[0] if scheme in ("timm", "torchvision", "random") else "")


class CheckpointFacts(Frozen):
    """How a weights file was understood; it stands in every record made with it."""

    container: str
    prefix: str
    naming: str
    dtype: str
    dropped: dict[str, int]
    """What lies in the file beside the backbone, by the first part of its name, and how many tensors of it."""
    allowed: tuple[str, ...]
    """Tensors that were missing, of another shape or unknown, and that --allow-missing let go."""
    others: tuple[str, ...]
    """Where else in the file a backbone lies: what --prefix could have chosen."""
    notes: tuple[str, ...]
    """What shapes do not show, and what happens to positions."""


Access = Literal["open", "registration", "by hand", "gone"]
Digits = Annotated[str, Field(pattern=r"^[0-9a-f]+$")]


class Archive(Frozen):
    """One file to fetch, and how to tell that it came whole."""

    url: Annotated[str, Field(pattern=r"^https?://\S+$")]
    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")]
    bytes: Positive | None = None
    md5: Annotated[Digits, Field(min_length=32, max_length=32)] | None = None
    sha256: Annotated[Digits, Field(min_length=64, max_length=64)] | None = None
    into: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$")] = "."
    """Where it is unpacked, below the data folder; a file that is no archive is put there as it is."""


class DataCard(Card):
    """Where a data set comes from, where it lies, and what is known of it."""

    descriptive = frozenset({"title", "licence", "home", "access", "archives", "steps", "size", "from_memory"})

    home: str
    licence: str
    access: Access
    size: str
    """What it takes on disk, in words."""
    folders: Annotated[tuple[str, ...], Field(min_length=1)]
    """Where it is looked for below the data folder; the first is where a download puts it."""
    proof: Annotated[tuple[str, ...], Field(min_length=1)]
    """Files or folders of which one must be in the folder: that is how the data set is known."""
    archives: tuple[Archive, ...] = ()
    steps: str = ""
    """What to do by hand, where a program may not fetch it."""
    counts: dict[str, int] = Field(default_factory=dict)
    """Samples per split as usually quoted; another count is noted and refuses nothing."""
    from_memory: tuple[str, ...] = ()

    @property
    def remedy(self) -> str:
        """Return what someone without this data set can do."""
        files = ", ".join(archive.file for archive in self.archives)
        fetch = f"run 'virb data download {self.name}' ({files}, {self.size})" if self.access == "open" else self.steps
        return f"{fetch}; or add --sample to run on the built-in sample world"

    @model_validator(mode="after")
    def _there_is_a_way_to_get_it(self) -> Self:
        if not self.archives and not self.steps:
            raise ValueError("neither archives nor steps: nobody could get this data set")
        if self.access == "open" and not self.archives:
            raise ValueError("access: open needs archives")
        return self
