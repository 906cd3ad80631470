"""Metrics of pixels: what is measured in one picture, as a numerator and a denominator.

Every measure takes outputs and targets of n pictures and which of their P pixels count. Two kinds of denominator:
a count of pixels pools the data set, so that each pixel weighs the same; one per picture averages over pictures, so
that each picture does, however much of it was measured. A picture of which nothing counts gives (0, 0).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import torch

Pair: TypeAlias = "tuple[torch.Tensor, torch.Tensor]"
"""Numerator and denominator, [n] each."""
Measure: TypeAlias = "Callable[[torch.Tensor, torch.Tensor, torch.Tensor], Pair]"
"""(outputs, targets, which pixels count), [n, P] each, flow [n, 2, P] -> numerator and denominator."""

_DELTA = 1.25
_FL_PIXELS, _FL_SHARE = 3.0, 0.05
_EPSILON = 1e-8


def total(values: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """Return sums [n] over the pixels that count; what stands at the others may be nan.

    Threads share the sum of a single row and so round it otherwise than one of several: it is therefore doubled.
    """
    kept = values.where(counted, 0.0)
    return kept.sum(-1) if len(kept) != 1 else kept.expand(2, -1).contiguous().sum(-1)[:1]


def picture_mean(values: torch.Tensor, counted: torch.Tensor) -> Pair:
    """Return each picture's mean, and 1 where it has one."""
    count = counted.sum(-1)
    return total(values, counted) / count.clamp(min=1), count > 0


def foreground(output: torch.Tensor, target: torch.Tensor, counted: torch.Tensor) -> Pair:
    """Intersection and union of all that is not class 0, pooled: of the one class of a mask, or of merged ones."""
    found, true = output > 0, target > 0
    return (found & true & counted).sum(-1), ((found | true) & counted).sum(-1)


def agreement(output: torch.Tensor, target: torch.Tensor, counted: torch.Tensor) -> Pair:
    """Pixels of the right class, pooled."""
    return ((output == target) & counted).sum(-1), counted.sum(-1)


def absolute_error(output: torch.Tensor, target: torch.Tensor, counted: torch.Tensor) -> Pair:
    """Mean absolute error per picture, as all errors of depth are averaged."""
    return picture_mean((output - target).abs(), counted)


def root_square_error(output: torch.Tensor, target: torch.Tensor, counted: torch.Tensor) -> Pair:
    """Root of the mean square error per picture: the field takes the root first, then the mean over pictures."""
    mean, pictures = picture_mean((output - target).square(), counted)
    return mean.sqrt(), pictures


def relative_error(output: torch.Tensor, target: torch.Tensor, counted: torch.Tensor) -> Pair:
    """Mean of |error| / target per picture."""
    return picture_mean((output - target).abs() / target, counted)


def within_delta(output: torch.Tensor, target: torch.Tensor, counted: torch.Tensor) -> Pair:
    """Share per picture of pixels that are less than 1.25 times too far or too near."""
    return picture_mean(((output / target).maximum(target / output) < _DELTA).double(), counted)


def log_deviation(output: torch.Tensor, target: torch.Tensor, counted: torch.Tensor) -> Pair:
    """Standard deviation of log output - log target per picture: sqrt(mean(d^2) - mean(d)^2).

    The scale-invariant error of Eigen et al. (2014) with all of the mean taken off: a wrong scale costs nothing.
    Others fit scale and shift to the target and then take RMSE; that is not this.
    """
    difference = output.log() - target.log()
    mean, pictures = picture_mean(difference, counted)
    return picture_mean((difference - mean[:, None]).square(), counted)[0].sqrt(), pictures


def end_point_error(output: torch.Tensor, target: torch.Tensor, counted: torch.Tensor) -> Pair:
    """Length of the error of flow, pooled over pixels like Fl-all beside it.

    RAFT's evaluation averages it per picture on KITTI, and pools on other data; MMFlow pools everywhere.
    """
    return total((output - target).square().sum(1).sqrt(), counted), counted.sum(-1)


def flow_outliers(output: torch.Tensor, target: torch.Tensor, counted: torch.Tensor) -> Pair:
    """Pixels whose flow is wrong by more than 3 pixels and more than 5 % of its length, pooled (KITTI's rule)."""
    error = (output - target).square().sum(1).sqrt()
    length = target.square().sum(1).sqrt()
    right = (error <= _FL_PIXELS) | (error <= _FL_SHARE * length)  # nan is not right
    return (~right & counted).sum(-1), counted.sum(-1)


def published_overlap(output: torch.Tensor, target: torch.Tensor, counted: torch.Tensor) -> Pair:
    """(I + 1e-8) / (U + 1e-8) per picture, as published: a picture without the class, rightly said so, counts 1."""
    both, either = foreground(output, target, counted)
    scored = counted.any(-1)
    return smoothed(both, either).where(scored, 0.0), scored


def smoothed(intersection: torch.Tensor, union: torch.Tensor) -> torch.Tensor:
    """Return the published quotient, which is 1 where there is nothing to find and nothing found."""
    return (intersection.double() + _EPSILON) / (union.double() + _EPSILON)
