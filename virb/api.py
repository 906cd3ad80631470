"""The Python interface: what the command line does, as functions that return tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from virb.errors import MissingData, UsageError
from virb.paths import cache_folder
from virb.progress import Progress
from virb.suite import Selection, encoder_cards, expand, protocol, safe_name, select_tasks

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from virb import backbones
    from virb.plan import Options
    from virb.report import Report
    from virb.spec import EncoderCard, Protocol


def evaluate(
    encoder: str | Path | nn.Module | Sequence[str | Path | nn.Module],
    tasks: str | Sequence[str] = "all",
    *,
    sample: bool = False,
    data: str | Path | None = None,
    protocol: str | None = None,
    probe: str = "heads",
    device: str = "auto",
    limit: int | None = None,
    seeds: int | None = None,
    out: str | Path = "results",
    force: bool = False,
    save_heads: bool = False,
    skip_bad: int = 0,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Evaluate one encoder or several; return one row per encoder and task.

    An encoder is whatever `virb evaluate --encoder` takes, or a `torch.nn.Module` that takes normalised images
    [N, 3, H, W] and returns embeddings [N, D]. The column `status` says measured, resumed, skipped or failed.
    """
    options = make_options(
        sample=sample,
        data=data,
        protocol_name=protocol,
        probe=probe,
        device=device,
        limit=limit,
        seeds=seeds,
        out=out,
        force=force,
        save_heads=save_heads,
        skip_bad=skip_bad,
    )
    from virb.harness import run
    from virb.plan import check_encoder
    from virb.report import Report

    encoders = _encoders(encoder)
    for source in encoders:
        check_encoder(source)
    selection = select_tasks(tasks if isinstance(tasks, str) else ",".join(tasks))
    report = Report()
    if sample:
        begin_sample(selection, options, progress, report)
    return frame(run(encoders, selection, options, progress, report))


def Encoder(
    source: str | Path | nn.Module,
    *,
    name: str | None = None,
    mean: tuple[float, float, float] | None = None,
    std: tuple[float, float, float] | None = None,
    size: int | None = None,
) -> backbones.Encoder:
    """Return a frozen encoder from a module, a file or a name: `encoder(images, maps=True)` answers embedding and maps.

    `evaluate` takes it as it is. It knows its `shape` and its `fingerprint`; `name` is what its records are called,
    `mean`, `std` and `size` are what it was trained with, where they are not those of its card.
    """
    from torch import nn

    from virb.backbones import from_module
    from virb.plan import check_encoder, load_encoder
    from virb.spec import EncoderCard

    if isinstance(source, nn.Module):
        label = name or type(source).__name__
        card = EncoderCard(name=safe_name(label), title=label, weights="module", mean=mean, std=std, size=size)
        return from_module(card, source)
    (card,) = encoder_cards([str(source)])
    told = {"name": safe_name(name) if name else None, "mean": mean, "std": std, "size": size}
    card = EncoderCard.model_validate({**card.model_dump(), **{key: value for key, value in told.items() if value}})
    check_encoder(card)
    return load_encoder(card)


def load_results(out: str | Path = "results") -> pd.DataFrame:
    """Return every sound record of a results folder, one row each; `comparison` tells which may be ranked together.

    Each is checked as for the leaderboard; what is left out is warned of.
    """
    import warnings

    import pandas as pd

    from virb.record import to_row
    from virb.results import load

    results = load([out])
    for problem in results.problems:
        warnings.warn(f"left out: {problem}", stacklevel=2)
    return pd.DataFrame([to_row(record) for record in results.records])


def make_options(
    *,
    sample: bool,
    data: str | Path | None,
    protocol_name: str | None = None,
    probe: str = "heads",
    device: str = "auto",
    precision: str = "auto",
    limit: int | None = None,
    seeds: int | None = None,
    out: str | Path = "results",
    force: bool = False,
    save_heads: bool = False,
    skip_bad: int = 0,
    workers: int | None = None,
    cache_size: float | None = None,
) -> Options:
    """Return checked options; the sample world brings its own folder and the quick protocol."""
    import os

    from virb.encode import PRECISIONS
    from virb.plan import GIB, Options, choose_device

    for name, value, least in (
        ("limit", limit, 1),
        ("seeds", seeds, 1),
        ("workers", workers, 0),
        ("skip-bad", skip_bad, 0),
    ):
        if value is not None and value < least:
            raise UsageError(
                f"--{name} {value}", f"a whole number from {least} up", f"leave --{name} out or correct it"
            )
    if precision not in PRECISIONS:
        raise UsageError(f"--precision {precision}", f"one of {', '.join(PRECISIONS)}", "use --precision auto")
    if cache_size is not None and not 0 <= cache_size < float("inf"):
        raise UsageError(
            f"--cache-size {cache_size}", "a number of GiB from 0 up", "leave --cache-size out or correct it"
        )
    if sample and data is not None:
        raise UsageError("both --sample and --data were given", "one of them", "leave one out")
    from virb.sample import ensure

    root = ensure([]) if sample else Path(data or os.environ.get("VIRB_DATA") or "data").expanduser()
    if not sample and not root.is_dir():
        raise MissingData(
            f"the data folder {root} is a file" if root.exists() else f"there is no data folder {root}",
            "a folder with the data sets in their owners' layouts",
            "pass it with --data or $VIRB_DATA, or add --sample to run on the built-in sample world",
        )
    limits = {} if cache_size is None else {"cache_limit": int(cache_size * GIB)}
    return Options(
        protocol=protocol(_protocol_name(protocol_name, probe, sample)),
        root=root,
        source="sample" if sample else "real",
        out=Path(out).expanduser(),
        device=choose_device(device),
        precision=precision,
        limit=limit,
        seeds=seeds,
        force=force,
        save_heads=save_heads,
        skip_bad=skip_bad,
        workers=workers,
        cache=cache_folder(),
        **limits,
    )


def _protocol_name(name: str | None, probe: str, sample: bool) -> str:
    """Return the protocol that was named, or the usual one for this probe; sample pictures take the small view."""
    usual = {"heads": ("standard", "quick"), "knn": ("knn", "knn_quick")}
    if probe not in usual:
        raise UsageError(f"--probe {probe}", f"one of {', '.join(usual)}", "leave --probe out or correct it")
    if name and probe != "heads":
        raise UsageError(f"both --protocol {name} and --probe {probe} were given", "one of them", "leave one out")
    return name or usual[probe][sample]


def begin_sample(selection: Selection, options: Options, progress: Progress | None, report: Report) -> None:
    """Make the sample data sets of a run, in its log too; results that have nowhere to go are told of before."""
    from virb.journal import Followed, following
    from virb.progress import Silent
    from virb.turns import check_writable

    check_writable(options)
    journal = report.follow(options.out)
    with following(journal):
        make_sample(selection, Followed(progress or Silent(), journal), options.protocol)


def make_sample(selection: Selection, progress: Progress | None, rules: Protocol | None = None) -> Path:
    """Make the sample data sets that a selection needs under these rules and that are not there yet."""
    from virb.progress import Relay, Silent
    from virb.sample import ensure

    asked = [task for task in selection.tasks if rules is None or rules.suits(task)]
    names = sorted({task.dataset for task in asked})
    with Relay(progress or Silent(), "sample world: {}", "images") as relay:
        return ensure(names, progress=relay)


def frame(report: Report) -> pd.DataFrame:
    """Return a run's report as a table."""
    import pandas as pd

    from virb.record import to_row

    rows = [{**to_row(record), "status": "measured", "reason": ""} for record in report.records]
    rows += [{**to_row(record), "status": "resumed", "reason": ""} for record in report.resumed]
    rows += [
        {"encoder": gap.encoder or None, "task": gap.task.name, "status": "skipped", "reason": str(gap.error)}
        for gap in report.skipped
    ]
    rows += [
        {"encoder": failure.encoder, "task": failure.task, "status": "failed", "reason": str(failure.error)}
        for failure in report.failures
    ]
    return pd.DataFrame(rows)


def _encoders(
    encoder: str | Path | nn.Module | Sequence[str | Path | nn.Module],
) -> list[EncoderCard | nn.Module]:
    from torch import nn

    several = [encoder] if isinstance(encoder, (str, Path, nn.Module)) else list(encoder)
    texts = [str(item) for item in several if not isinstance(item, nn.Module)]
    cards = dict(zip(expand(texts), encoder_cards(texts), strict=True)) if texts else {}
    found: dict[str | nn.Module, EncoderCard | nn.Module] = {}
    for item in several:
        if isinstance(item, nn.Module):
            found[item] = item
        else:
            found |= {text: cards[text] for text in expand([str(item)])}
    return list(found.values())
