"""Command line: the arguments that evaluate, plan and show share, each written once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from virb.cards.weights import FORMS
from virb.cli.options import AllowMissing, Arch, Data, Device, Json, Out, Prefix, Sample, Workers

if TYPE_CHECKING:
    from virb.cards.encoder import EncoderCard
    from virb.cards.select import Selection
    from virb.run.options import Options


@dataclass(frozen=True)
class Arguments:
    """What one run is asked for; the fields stand in the order of the help."""

    encoder: Annotated[
        list[str],
        typer.Option(
            "--encoder",
            "-e",
            help=f"A card's name, a file, {', '.join(FORMS)}; may be given again.",
        ),
    ]
    tasks: Annotated[str, typer.Option(help="'all', a group, task names or card files, separated by commas.")] = "all"
    arch: Arch = None
    prefix: Prefix = None
    allow_missing: AllowMissing = None
    sample: Sample = False
    data: Data = None
    protocol: Annotated[
        str | None,
        typer.Option(
            "--protocol", help="standard, quick, virb2021, knn or knn_quick; default standard, with --sample quick."
        ),
    ] = None
    probe: Annotated[str, typer.Option(help="heads, or knn: nearest neighbours, a number without any training.")] = (
        "heads"
    )
    device: Device = "auto"
    precision: Annotated[str, typer.Option(help="auto, float32, float16 or bfloat16, for the encoder.")] = "auto"
    limit: Annotated[int | None, typer.Option(help="At most N samples in each split, test included.")] = None
    seeds: Annotated[int | None, typer.Option(help="How many training seeds; default is the protocol's.")] = None
    out: Out = Path("results")
    force: Annotated[bool, typer.Option("--force", help="Redo what is done already.")] = False
    save_heads: Annotated[bool, typer.Option("--save-heads", help="Keep the chosen heads as safetensors.")] = False
    skip_bad: Annotated[
        int, typer.Option("--skip-bad", help="Leave out at most N pictures that cannot be read, and record them.")
    ] = 0
    check: Annotated[
        bool,
        typer.Option("--check", help="First compare each encoder with its architecture untrained, on a sample task."),
    ] = False
    workers: Workers = None
    cache_size: Annotated[float | None, typer.Option(help="Bound of the feature cache, in GiB.")] = None
    json_output: Json = False

    def cards(self) -> list[EncoderCard]:
        """Return the cards of the encoders that were named, read as the options say."""
        from virb.cards.encoder_names import encoder_cards, read_as

        return read_as(encoder_cards(self.encoder), self.arch, self.prefix, self.allow_missing)

    def selection(self) -> Selection:
        """Return the tasks that were named."""
        from virb.cards.select import select_tasks

        return select_tasks(self.tasks)

    def options(self) -> Options:
        """Return the checked options of the run."""
        from virb.run.options import Asked

        return Asked(**{field.name: getattr(self, field.name) for field in fields(Asked)}).options()


def takes(names: str, **instead: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Let a command take these options, in this order: parameters of its own, all others as `Arguments`.

    `instead` holds annotations in place of the fields' own.
    """

    def decorate(body: Callable[..., None]) -> Callable[..., None]:
        own = dict(inspect.signature(body, eval_str=True).parameters)
        shared = dict(inspect.signature(Arguments, eval_str=True).parameters)
        known = {**shared, **own}

        @functools.wraps(body)
        def command(**given: Any) -> None:
            mine = {name: given.pop(name) for name in own.keys() & given.keys()}
            body(Arguments(**given), **mine)

        chosen = [known[name].replace(kind=inspect.Parameter.KEYWORD_ONLY) for name in names.split()]
        told = [one.replace(annotation=instead.get(one.name, one.annotation)) for one in chosen]
        cast(Any, command).__signature__ = inspect.Signature(told)
        return command

    return decorate
