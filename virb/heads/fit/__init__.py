"""Fit: features x grid of settings x seeds -> heads, chosen on validation (stage 5)."""

from __future__ import annotations

from virb.heads.fit.choice import Curves, Setting
from virb.heads.fit.image import Fitted, Matrix, fit, grid, moments, on_device, predict
from virb.heads.fit.neighbours import FittedNeighbours, fit_neighbours, predict_neighbours
from virb.heads.fit.pixel import PixelFitted, epochs, fit_pixels, looks, predict_pixels

__all__ = [
    "Curves",
    "Fitted",
    "FittedNeighbours",
    "Matrix",
    "PixelFitted",
    "Setting",
    "epochs",
    "fit",
    "fit_neighbours",
    "fit_pixels",
    "grid",
    "looks",
    "moments",
    "on_device",
    "predict",
    "predict_neighbours",
    "predict_pixels",
]
