"""Pictures: whether samples and their targets belong together, and what a head makes of them, at one look."""

from __future__ import annotations

from virb.run.pictures.predictions import as_png, prediction_sheet
from virb.run.pictures.sheet import contact_sheet

__all__ = ["as_png", "contact_sheet", "prediction_sheet"]
