"""Page: boards -> one HTML file that opens from any disk and asks the network for nothing."""

from __future__ import annotations

from virb.leaderboard.page.build import html

__all__ = ["html"]
