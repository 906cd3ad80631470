"""Pictures: contact sheets, on which a person sees at one look whether samples and their targets belong together."""

from __future__ import annotations

from virb.pictures.sheet import contact_sheet

__all__ = ["contact_sheet"]
