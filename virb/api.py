"""The Python interface: what the command line does, as functions that return tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from virb.cards.encoder_names import encoder_cards, expand
from virb.cards.select import Selection, select_tasks
from virb.core.errors import UsageError
from virb.core.progress import Progress
from virb.core.text import safe_name

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from virb.cards.encoder import EncoderCard
    from virb.cards.protocol import Protocol
    from virb.encode import encoder as backbones
    from virb.encode.encoded import Encoded
    from virb.run.options import Options
    from virb.run.report import Report


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
    [N, 3, H, W] and returns embeddings [N, D]. The column `status` says measured, done before, skipped or failed.
    """
    from virb.run.options import Asked

    asked = Asked(
        sample=sample,
        data=data,
        protocol=protocol,
        probe=probe,
        device=device,
        limit=limit,
        seeds=seeds,
        out=out,
        force=force,
        save_heads=save_heads,
        skip_bad=skip_bad,
    )
    options = asked.options()
    from virb.encode.load import check_encoder
    from virb.run.harness import run
    from virb.run.report import Report

    encoders = _encoders(encoder)
    for source in encoders:
        check_encoder(source)
    selection = select_tasks(tasks if isinstance(tasks, str) else ",".join(tasks))
    report = Report()
    if sample:
        begin_sample(selection, options, progress, report)
    return frame(run(encoders, selection, options, progress, report))


def features(
    encoder: str | Path | nn.Module,
    images: str | Sequence[str | Path],
    split: str = "test",
    *,
    maps: bool = False,
    sample: bool = False,
    data: str | Path | None = None,
    protocol: str | None = None,
    device: str = "auto",
    workers: int | None = None,
    progress: Progress | None = None,
) -> Encoded:
    """Return the frozen features of a task's split, or of picture files, with ids, targets and groups.

    `images` is a task's name, whose `split` is train, val or test, or a list of files. They are shown to the encoder
    as the protocol shows them, encoded once, and kept in the cache that runs use; `maps` keeps the maps too.
    """
    from virb.core.progress import Silent
    from virb.encode.load import check_encoder, load_encoder
    from virb.run.encoder_run import EncoderRun
    from virb.run.options import Asked
    from virb.run.report import Report
    from virb.run.samples import encoded, pictures, task_samples

    source, *others = _encoders(encoder)
    if others:
        raise UsageError(f"{1 + len(others)} encoders were given", "one", "call it once for each")
    check_encoder(source)
    asked = Asked(sample=sample, data=data, protocol=protocol, device=device, workers=workers)
    if isinstance(images, str):
        options, selection = asked.options(), select_tasks(images)
        if sample:
            make_sample(selection, progress, options.protocol)
        samples = task_samples(selection, split, options)
    else:
        options, samples = asked.without_data(), pictures(images)
    return encoded(EncoderRun(load_encoder(source), options, progress or Silent(), Report()), samples, maps)


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

    from virb.cards.encoder import EncoderCard
    from virb.encode.encoder import from_module
    from virb.encode.load import check_encoder, load_encoder

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

    from virb.records.load import load
    from virb.records.record import to_row

    results = load([out])
    for problem in results.problems:
        warnings.warn(f"left out: {problem}", stacklevel=2)
    return pd.DataFrame([to_row(record) for record in results.records])


def begin_sample(selection: Selection, options: Options, progress: Progress | None, report: Report) -> None:
    """Make the sample data sets of a run, in its log too; results that have nowhere to go are told of before."""
    from virb.core.progress import Silent
    from virb.run.journal import Followed, following
    from virb.run.turns import check_writable

    check_writable(options)
    journal = report.follow(options.out)
    with following(journal):
        make_sample(selection, Followed(progress or Silent(), journal), options.protocol)


def make_sample(selection: Selection, progress: Progress | None, rules: Protocol | None = None) -> Path:
    """Make the sample data sets that a selection needs under these rules and that are not there yet."""
    from virb.core.progress import Relay, Silent
    from virb.sample import ensure

    asked = [task for task in selection.tasks if rules is None or rules.suits(task)]
    names = sorted({task.dataset for task in asked})
    with Relay(progress or Silent(), "sample world: {}", "images") as relay:
        return ensure(names, progress=relay)


def frame(report: Report) -> pd.DataFrame:
    """Return a run's report as a table."""
    import pandas as pd

    from virb.records.record import to_row

    rows = [{**to_row(record), "status": "measured", "reason": ""} for record in report.records]
    rows += [{**to_row(record), "status": "done before", "reason": ""} for record in report.resumed]
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
