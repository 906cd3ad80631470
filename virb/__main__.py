"""Command line: `python -m virb`."""

from __future__ import annotations

from virb.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
