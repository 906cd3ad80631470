"""Fit: features x grid of settings x seeds -> heads, chosen on validation (stage 5)."""

from __future__ import annotations

from virb.heads.fit.choice import Choice, Curves, Setting
from virb.heads.fit.neighbours import FittedNeighbours, NeighbourProbe
from virb.heads.fit.pixels import FittedPixels, PixelProbe
from virb.heads.fit.probe import Fitted, Probe, Tested
from virb.heads.fit.stack import FittedStack, StackProbe

__all__ = [
    "Choice",
    "Curves",
    "Fitted",
    "FittedNeighbours",
    "FittedPixels",
    "FittedStack",
    "NeighbourProbe",
    "PixelProbe",
    "Probe",
    "Setting",
    "StackProbe",
    "Tested",
]
