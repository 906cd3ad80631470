"""Command line: the options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from virb.cards.weights import FORMS

Encoders = Annotated[
    list[str],
    typer.Option(
        "--encoder",
        "-e",
        help=f"A card's name, a file, {', '.join(FORMS)}; may be given again.",
    ),
]
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
Tasks = Annotated[str, typer.Option(help="'all', a group, task names or card files, separated by commas.")]
Sample = Annotated[bool, typer.Option("--sample", help="Run on the built-in sample world: no data set is needed.")]
Data = Annotated[Path | None, typer.Option(help="Folder with the data sets; default $VIRB_DATA, else ./data.")]
ProtocolName = Annotated[
    str | None,
    typer.Option(
        "--protocol", help="standard, quick, virb2021, knn or knn_quick; default standard, with --sample quick."
    ),
]
Probe = Annotated[str, typer.Option(help="heads, or knn: nearest neighbours, a number without any training.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Precision = Annotated[str, typer.Option(help="auto, float32, float16 or bfloat16, for the encoder.")]
Limit = Annotated[int | None, typer.Option(help="At most N samples in each split.")]
Seeds = Annotated[int | None, typer.Option(help="How many training seeds; default is the protocol's.")]
Out = Annotated[Path, typer.Option(help="Results folder.")]
Workers = Annotated[int | None, typer.Option(help="Processes that decode images.")]
CacheSize = Annotated[float | None, typer.Option(help="Bound of the feature cache, in GiB.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
