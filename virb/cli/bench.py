"""Command line: the figures behind claims about speed and intervals."""

from __future__ import annotations

from typing import Annotated

import typer

bench_app = typer.Typer(
    no_args_is_help=True, help="Measure on this machine what is claimed of speed and intervals.", rich_markup_mode=None
)


@bench_app.command()
def heads(
    samples: Annotated[int, typer.Option(help="N of the Gaussian mixture.")] = 20_000,
    width: Annotated[int, typer.Option(help="D.")] = 2048,
    classes: Annotated[int, typer.Option(help="K.")] = 100,
    rounds: Annotated[int, typer.Option(help="Interleaved rounds of the timing.")] = 5,
    accuracy: Annotated[bool, typer.Option(help="Also compare accuracies with scikit-learn.")] = True,
    full: Annotated[bool, typer.Option("--full", help="The mixture under 'standard' too: twenty minutes.")] = False,
) -> None:
    """Time stacked training against a plain loop, and compare accuracy with logistic regression."""
    from virb.checks.bench.heads import compare_accuracy, compare_speed

    compare_speed(samples, width, classes, rounds)
    if accuracy:
        compare_accuracy(samples, width, classes, full)


@bench_app.command()
def encode(
    arch: Annotated[str, typer.Option(help="A timm architecture, with random weights.")] = "resnet18",
    size: Annotated[int, typer.Option(help="Pixel size of the view.")] = 96,
    images: Annotated[int, typer.Option(help="How many images.")] = 480,
    rounds: Annotated[int, typer.Option(help="Interleaved rounds.")] = 5,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Print encoder throughput through the harness as a share of the bare model's."""
    from virb.checks.bench.encode import compare

    compare(arch, size, images, rounds, device)


@bench_app.command()
def data(
    images: Annotated[int, typer.Option(min=1, help="How many pictures.")] = 64,
    size: Annotated[int, typer.Option(min=1, help="Pixel size of the view.")] = 224,
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved rounds.")] = 9,
) -> None:
    """Print images per CPU second from JPEG files to tensors, against Pillow and torchvision's transforms."""
    from virb.checks.bench.data import compare

    compare(images, size, rounds)


@bench_app.command()
def dense(
    arch: Annotated[str, typer.Option(help="A timm architecture, whose maps' shapes are taken.")] = "resnet50",
    size: Annotated[int, typer.Option(min=32, help="Pixel size of the view.")] = 224,
    samples: Annotated[int, typer.Option(min=1, help="Samples in an epoch.")] = 32,
    batch: Annotated[int, typer.Option(min=1, help="Samples in a batch.")] = 16,
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved epochs.")] = 15,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Print what an epoch of upshuffle on stored maps costs, against the bare head on tensors in memory."""
    from virb.checks.bench.dense import compare

    compare(arch, size, samples, batch, rounds, device)


@bench_app.command()
def board(
    encoders: Annotated[int, typer.Option(min=1, help="How many.")] = 200,
    tasks: Annotated[int, typer.Option(min=1, help="How many.")] = 25,
    rounds: Annotated[int, typer.Option(min=1, help="Of which the best is printed.")] = 3,
) -> None:
    """Print what the leaderboard and its page cost on made-up records."""
    from virb.checks.bench.board import compare

    compare(encoders, tasks, rounds)


@bench_app.command()
def load(rounds: Annotated[int, typer.Option(min=1, help="The least time of so many rounds counts.")] = 3) -> None:
    """Print CPU seconds from a weights file's names and shapes to its architecture, and of reading and loading it."""
    from virb.checks.bench.load import report

    report(rounds)


@bench_app.command()
def stats(sets: Annotated[int, typer.Option(min=1, help="Simulated sets of each kind.")] = 2000) -> None:
    """Print how often intervals of scores, mean ranks and correlations hold the truth."""
    from virb.checks.bench.stats import report

    report(sets)
