"""Options: what a run was asked for, beside encoders and tasks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

from virb.cards.protocol import Protocol
from virb.cards.select import protocol
from virb.core.errors import MissingData, UsageError
from virb.core.paths import cache_folder, data_folder, user_path
from virb.core.trust import check_cache
from virb.data.images import default_workers
from virb.encode.cache import Cache
from virb.encode.features import PRECISIONS
from virb.records.record import Source

GIB = 1 << 30


@dataclass(frozen=True)
class Options:
    """What a run was asked for, beside encoders and tasks."""

    protocol: Protocol
    root: Path
    source: Source = "real"
    """What was asked for, the sample world or a folder; what lies in that folder each task finds for itself."""
    out: Path = Path("results")
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: str = "auto"
    limit: int | None = None
    seeds: int | None = None
    force: bool = False
    save_heads: bool = False
    skip_bad: int = 0
    workers: int | None = None
    cache: Path = field(default_factory=cache_folder)
    cache_limit: int = 50 * GIB

    @property
    def decoders(self) -> int:
        """How many processes decode images."""
        return default_workers(self.device) if self.workers is None else self.workers

    def features(self) -> Cache:
        """Return the feature cache."""
        return Cache(self.cache, self.cache_limit)


def choose_device(name: str) -> torch.device:
    """Return the device of a name; `auto` takes CUDA where it is."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"there is no device '{name}'", "auto, cpu or cuda", "use --device auto") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda, but torch sees no GPU here", "a CUDA device", "use --device auto or cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"there is no device '{name}'", f"cuda:0 to cuda:{torch.cuda.device_count() - 1}", "choose one of these"
        )
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"device '{name}' has not been tried with virb", "auto, cpu or cuda", "use --device auto")
    return device


@dataclass(frozen=True)
class Asked:
    """What a user asks of a run, unchecked, in the words of the command line."""

    sample: bool = False
    data: str | Path | None = None
    protocol: str | None = None
    probe: str = "heads"
    device: str = "auto"
    precision: str = "auto"
    limit: int | None = None
    seeds: int | None = None
    out: str | Path = "results"
    force: bool = False
    save_heads: bool = False
    skip_bad: int = 0
    workers: int | None = None
    cache_size: float | None = None

    def options(self) -> Options:
        """Return checked options; the sample world brings its own folder and the quick protocol."""
        self._check_numbers()
        check_cache()
        return self._over(self._root())

    def without_data(self) -> Options:
        """Return checked options of what needs no data folder."""
        self._check_numbers()
        check_cache()
        return self._over(Path())

    def _over(self, root: Path) -> Options:
        return Options(
            root=root,
            protocol=protocol(_protocol_name(self.protocol, self.probe, self.sample)),
            source="sample" if self.sample else "real",
            out=user_path(self.out),
            device=choose_device(self.device),
            precision=self.precision,
            limit=self.limit,
            seeds=self.seeds,
            force=self.force,
            save_heads=self.save_heads,
            skip_bad=self.skip_bad,
            workers=self.workers,
            cache_limit=Options.cache_limit if self.cache_size is None else int(self.cache_size * GIB),
        )

    def _check_numbers(self) -> None:
        least = {"limit": 1, "seeds": 1, "workers": 0, "skip-bad": 0}
        for name, start in least.items():
            value = getattr(self, name.replace("-", "_"))
            if value is not None and value < start:
                raise UsageError(
                    f"--{name} {value}", f"a whole number from {start} up", f"leave --{name} out or correct it"
                )
        if self.precision not in PRECISIONS:
            raise UsageError(f"--precision {self.precision}", f"one of {', '.join(PRECISIONS)}", "use --precision auto")
        if self.cache_size is not None and not 0 <= self.cache_size < float("inf"):
            raise UsageError(
                f"--cache-size {self.cache_size}", "a number of GiB from 0 up", "leave --cache-size out or correct it"
            )

    def _root(self) -> Path:
        """Return the data folder, which must be there, or the sample world's."""
        if self.sample and self.data is not None:
            raise UsageError("both --sample and --data were given", "one of them", "leave one out")
        if self.sample:
            from virb.sample import ensure

            return ensure([])
        root = data_folder(self.data)
        if not root.is_dir():
            raise MissingData(
                f"the data folder {root} is a file" if root.exists() else f"there is no data folder {root}",
                "a folder with the data sets in their owners' layouts",
                "pass it with --data or $VIRB_DATA, or add --sample to run on the built-in sample world",
            )
        return root


def _protocol_name(name: str | None, probe: str, sample: bool) -> str:
    """Return the protocol that was named, or the usual one for this probe; sample pictures take the small view."""
    usual = {"heads": ("standard", "quick"), "knn": ("knn", "knn_quick")}
    if probe not in usual:
        raise UsageError(f"--probe {probe}", f"one of {', '.join(usual)}", "leave --probe out or correct it")
    if name and probe != "heads":
        raise UsageError(f"both --protocol {name} and --probe {probe} were given", "one of them", "leave one out")
    return name or usual[probe][sample]
