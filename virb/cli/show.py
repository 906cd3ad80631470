"""Command line: a picture of what an encoder's head answers on some test samples."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from virb.cards.weights import FORMS
from virb.cli.arguments import Arguments, takes
from virb.cli.printing import say
from virb.core.errors import UsageError

_ONE_ENCODER = Annotated[
    list[str],
    typer.Option("--encoder", "-e", help=f"A card's name, a file, {', '.join(FORMS)}."),
]


@takes(
    "task encoder arch prefix allow_missing sample data protocol count device precision limit seeds out "
    "skip_bad workers cache_size",
    encoder=_ONE_ENCODER,
)
def show(
    asked: Arguments,
    task: Annotated[str, typer.Argument(help="One task's name, or its card file.")],
    count: Annotated[int, typer.Option(min=1, help="How many test samples.")] = 6,
) -> None:
    """Draw picture, target, prediction and error of some test samples, as a PNG that the task's record names.

    Of an image-level task: the picture with its true and its predicted class. The task is evaluated first where
    that was not done; the other options are those of 'virb evaluate'.
    """
    from virb import api
    from virb.core.progress import choose

    cards, selection = asked.cards(), replace(asked, tasks=task).selection()
    if len(selection.tasks) > 1 or not selection.named:
        raise UsageError(
            f"'{task}' stands for {len(selection.tasks)} tasks",
            "one task by its name, such as " + selection.tasks[0].name,
            "name one; 'virb tasks' lists them",
        )
    if len(cards) > 1:
        raise UsageError(f"{len(cards)} encoders were given", "one", "run the command once for each")
    options = asked.options()
    from virb.encode.load import check_encoder
    from virb.run import show as pictures

    check_encoder(cards[0])  # before any work
    progress = choose()
    if asked.sample:
        api.make_sample(selection, progress)
    say(pictures.show(cards[0], selection, options, count, progress))
