"""Protocol cards: the rules of one comparison, and how heads are trained under them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from virb.cards.card import Card, Frozen
from virb.cards.task import Batch, Few, Positive, Rate, Task
from virb.core.digest import digest
from virb.core.errors import CardError, Unsuited

MOST_SETTINGS = 64


class Grid(Frozen):
    """How heads are trained: the grid of settings and everything that all settings share."""

    optimiser: Literal["adamw", "adam"]
    batch: Batch
    epochs: Positive
    schedule: Literal["cosine", "constant"]
    learning_rates: Annotated[tuple[Rate, ...], Field(min_length=1, max_length=MOST_SETTINGS)]
    weight_decays: Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1, max_length=MOST_SETTINGS)]
    """With adam the factor of an L2 penalty, as logistic regression has it; with adamw decoupled, times the rate."""
    seeds: Few

    @property
    def published(self) -> bool:
        """Whether head, target and metric are those of the 2021 paper where they differ from the card's."""
        return False

    def head_of(self, task: Task) -> str:
        """Return which head a task gets: the one that its card names."""
        return task.head

    def seeded(self, seeds: int) -> Self:
        """Return the same with so many seeds."""
        return self.model_copy(update={"seeds": seeds})


class Training(Grid):
    """The training of image-level heads."""

    standardise: Annotated[tuple[bool, ...], Field(min_length=1, max_length=2)]


class PixelTraining(Grid):
    """The training of pixel-wise heads."""

    head: Literal["card", "dense_linear", "published"]
    """`card`: the head that the task's card names; `dense_linear`: the light one for every task; `published`: that of
    the 2021 paper for what the card names, with the paper's target and metric."""
    search_seeds: Few
    """Every setting is trained with these many seeds, the chosen one with the rest of them too."""
    augment: bool = False
    """Whether the colours of training pictures are changed each time they are seen, for published heads."""
    clip: Annotated[float, Field(gt=0)] | None = 1.0
    """The largest norm of one setting's gradient; none where it may be any."""
    scale_targets: bool = True
    """Whether values are learnt in units of their deviation, so that one learning rate suits metres and shares."""

    @property
    def published(self) -> bool:
        """Whether head, target and metric are those of the 2021 paper where they differ from the card's."""
        return self.head == "published"

    def head_of(self, task: Task) -> str:
        """Return which head a task gets: the one that its card names, or the light one."""
        return self.head if self.head == "dense_linear" else task.head


class Tiles(Frozen):
    """How pictures too large for one view are cut, where a task's card says so."""

    overlap: Annotated[float, Field(ge=0, le=0.9)]
    """The part of a side that neighbouring tiles of the test share, or more."""
    crops: Few | None = None
    """Boxes drawn in each training picture, of which every epoch takes the next; None: one for each epoch."""


class Neighbours(Frozen):
    """Nearest neighbours in the stead of trained heads; there is nothing to seed."""

    neighbours: tuple[Positive, ...]
    seeds: Few = 1
    epochs: ClassVar[int] = 0
    published: ClassVar[bool] = False

    def head_of(self, task: Task) -> str:
        """Return what stands for a head, whatever the card names."""
        return "neighbours"

    def seeded(self, seeds: int) -> Self:
        """Return the same: nothing is drawn."""
        return self


AnyTraining = Training | PixelTraining | Neighbours
"""How one task is judged."""


def metrics_for(task: Task, training: AnyTraining) -> tuple[str, ...]:
    """Return what is measured under a training, the primary metric first: the card's, or the one of the paper."""
    return (task.published_metric,) if training.published else (task.metric, *task.also)


class Protocol(Card):
    """The rules of one comparison; records of different protocols never stand in one ranking."""

    version: Positive
    size: Annotated[int, Field(ge=16, le=2048)]
    choice: Literal["validation", "none"]
    """`none`: validation joins the training samples and the only setting is kept, as published."""
    published: bool = False
    """Epochs, batch and learning rate are the paper's, per task, and stand on the task card."""
    image: Training | None = None
    neighbours: Annotated[tuple[Annotated[int, Field(ge=1, le=1000)], ...], Field(max_length=MOST_SETTINGS)] = ()
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

    def training(self, task: Task) -> AnyTraining:
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
