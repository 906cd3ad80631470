"""Command line: a picture of what an encoder's head answers on some test samples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from virb.cards.weights import FORMS
from virb.cli.options import (
    AllowMissing,
    Arch,
    CacheSize,
    Data,
    Device,
    Limit,
    Out,
    Precision,
    Prefix,
    ProtocolName,
    Sample,
    Seeds,
    Workers,
)
from virb.core.errors import UsageError


def show(
    task: Annotated[str, typer.Argument(help="One task's name, or its card file.")],
    encoder: Annotated[
        list[str],
        typer.Option("--encoder", "-e", help=f"A card's name, a file, {', '.join(FORMS)}."),
    ],
    arch: Arch = None,
    prefix: Prefix = None,
    allow_missing: AllowMissing = None,
    sample: Sample = False,
    data: Data = None,
    protocol: ProtocolName = None,
    count: Annotated[int, typer.Option(min=1, help="How many test samples.")] = 6,
    device: Device = "auto",
    precision: Precision = "auto",
    limit: Limit = None,
    seeds: Seeds = None,
    out: Out = Path("results"),
    skip_bad: Annotated[
        int, typer.Option("--skip-bad", help="Leave out at most N pictures that cannot be read, and record them.")
    ] = 0,
    workers: Workers = None,
    cache_size: CacheSize = None,
) -> None:
    """Draw picture, target, prediction and error of some test samples, as a PNG that the task's record names.

    Of an image-level task: the picture with its true and its predicted class. The task is evaluated first where
    that was not done; the other options are those of 'virb evaluate'.
    """
    from virb import api
    from virb.cards.encoder_names import encoder_cards, read_as
    from virb.cards.select import select_tasks
    from virb.core.progress import choose
    from virb.run.options import make_options

    cards = read_as(encoder_cards(encoder), arch, prefix, allow_missing)
    selection = select_tasks(task)
    if len(selection.tasks) > 1 or not selection.named:
        raise UsageError(
            f"'{task}' stands for {len(selection.tasks)} tasks",
            "one task by its name, such as " + selection.tasks[0].name,
            "name one; 'virb tasks' lists them",
        )
    if len(cards) > 1:
        raise UsageError(f"{len(cards)} encoders were given", "one", "run the command once for each")
    options = make_options(
        sample=sample,
        data=data,
        protocol_name=protocol,
        device=device,
        precision=precision,
        limit=limit,
        seeds=seeds,
        out=out,
        skip_bad=skip_bad,
        workers=workers,
        cache_size=cache_size,
    )
    from virb.encode.load import check_encoder
    from virb.run import show as pictures

    check_encoder(cards[0])  # before any work
    progress = choose()
    if sample:
        api.make_sample(selection, progress)
    typer.echo(pictures.show(cards[0], selection, options, count, progress))
