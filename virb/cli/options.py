"""Command line: the options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Arch = Annotated[
    str | None,
    typer.Option("--arch", help="The architecture of a weights file (timm's name), where it is not found by itself."),
]
Prefix = Annotated[
    str | None, typer.Option("--prefix", help="Which network in a weights file, such as 'student' or 'encoder_k'.")
]
AllowMissing = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-missing",
        help="Backbone tensors that may be missing or not fit, such as 'norm.*'; recorded. May be given again.",
    ),
]
Sample = Annotated[bool, typer.Option("--sample", help="Run on the built-in sample world: no data set is needed.")]
Data = Annotated[Path | None, typer.Option(help="Folder with the data sets; default $VIRB_DATA, else ./data.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Out = Annotated[Path, typer.Option(help="Results folder.")]
Workers = Annotated[int | None, typer.Option(help="Processes that decode images.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
