"""Target: what is particular about one target of a data set, stated on its card; most have nothing of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

_STRICT = {"extra": "forbid", "allow_inf_nan": False}


@dataclass(frozen=True)
class Window:
    """The part of a picture that is scored, in the pixels of a picture of some size; it scales with others."""

    top: int
    bottom: int
    left: int
    right: int
    height: int
    width: int
    __pydantic_config__ = _STRICT

    def cut(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the pixels [..., H, W] whose middle is inside."""
        height, width = pixels.shape[-2:]
        down = slice(_scaled(self.top, height, self.height), _scaled(self.bottom, height, self.height))
        across = slice(_scaled(self.left, width, self.width), _scaled(self.right, width, self.width))
        return pixels[..., down, across]


def _scaled(edge: int, size: int, of: int) -> int:
    """Return the first pixel of so many whose middle is not before an edge given in pixels of another size."""
    return -((of - 2 * edge * size) // (2 * of))


@dataclass(frozen=True)
class Draw:
    """How training boxes are drawn: by default of the size of a view, anywhere inside the picture."""

    zoom: tuple[float, float] = (1.0, 1.0)
    """Between which factors the picture is enlarged before it is cut, each as likely."""
    flips: bool = False
    tries: int = 1
    """How often at most a box is drawn until it holds what is looked for."""
    __pydantic_config__ = _STRICT


ANYWHERE = Draw()


@dataclass(frozen=True)
class AsPublished:
    """What the 2021 paper did otherwise with a target, for protocol virb2021."""

    weights: tuple[float, ...] | None = None
    """Of the classes in the loss."""
    draw: Draw = ANYWHERE
    """How its training crops were drawn."""
    recast: Literal["around_the_animal", "standard_depth", "relative_depth"] | None = None
    """Which function of `virb.run.virb2021` makes its target of this one."""
    __pydantic_config__ = _STRICT


@dataclass(frozen=True)
class TargetFacts:
    """How a target is measured where it is not measured like all others, and what the 2021 paper did with it."""

    unit: str = ""
    """Of its values."""
    limits: tuple[float, float] | None = None
    """Values count strictly between these."""
    window: Window | None = None
    background: bool = True
    """Whether class 0 is what is left over, which the paper's mean over classes skips."""
    published: AsPublished = AsPublished()
    __pydantic_config__ = _STRICT


PLAIN = TargetFacts()
