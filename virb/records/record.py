"""Record: everything needed to trust and repeat one number, as JSON with its samples beside it."""

from __future__ import annotations

import hashlib
import io
import math
import zipfile
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, Field, GetPydanticSchema, PlainSerializer, ValidationError

from virb.cards.card import Frozen, Name
from virb.cards.encoder import CheckpointFacts, Triple
from virb.cards.protocol import Protocol
from virb.cards.task import Kind, Level, Task
from virb.core.digest import digest
from virb.core.errors import VirbError
from virb.core.files import sha256_of
from virb.core.npz import LARGEST_RECORD, DamagedFile, read_bounded
from virb.core.paths import write_whole
from virb.core.strict_json import read_model
from virb.core.text import many
from virb.records.origins import date_problems, forget, origin_of

SCHEMA: Literal[1] = 1
Source = Literal["real", "sample"]


_PACKED = Annotated[list[float], AfterValidator(lambda numbers: array("d", numbers)), PlainSerializer(list)]
Numbers = Annotated[Sequence[float], GetPydanticSchema(lambda _type, handler: handler(_PACKED))]
"""A list of numbers, kept as one block: a board holds millions, and Python's own are large and slow to walk."""


class Score(Frozen):
    """A value with its 95 % bootstrap interval, and how to read it."""

    metric: str
    unit: str
    direction: Literal["higher", "lower"]
    ceiling: float
    value: float
    low: float
    high: float


class TaskFacts(Frozen):
    """Which task, in which version."""

    name: str
    title: str
    level: Level
    kind: Kind
    extra: bool
    version: int
    digest: str


class EncoderFacts(Frozen):
    """Which encoder, by weights and by card."""

    name: Name
    title: str
    weights: str
    arch: str
    fingerprint: str
    weights_hash: str
    width: int
    method: str = ""
    family: str = ""
    pretraining: str = ""
    images: int | None = None
    epochs: int | None = None
    facts: dict[str, str | int | float | bool] = Field(default_factory=dict)
    checkpoint: CheckpointFacts | None = None
    """How its weights file was understood; None where there was no file, or in older records."""


class DataFacts(Frozen):
    """Which samples: real data and sample world never meet in one ranking."""

    source: Source
    digest: str
    test_digest: str
    counts: dict[str, int]
    classes: int
    limit: int | None
    notes: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    """Pictures that could not be read and that `--skip-bad` let go."""
    blank: dict[str, int] = Field(default_factory=dict)
    """Samples without one pixel that counts, by split: of train they are left out, in test they weigh nothing."""


class ProtocolFacts(Frozen):
    """Which rules."""

    name: str
    version: int
    digest: str


class ViewFacts(Frozen):
    """How images reached the encoder; shown, but no part of comparability except the geometry."""

    geometry: str
    size: int
    mean: Triple
    std: Triple


class SettingFacts(Frozen):
    """A cell of the grid and its mean validation score, if anything was held out."""

    learning_rate: float | None = None
    weight_decay: float | None = None
    standardise: bool = False
    neighbours: int | None = None
    validation: float | None

    @property
    def text(self) -> str:
        """The setting in words."""
        if self.neighbours is not None:
            return many(self.neighbours, "neighbour")
        facts = {"lr": self.learning_rate, "wd": self.weight_decay}
        known = [f"{name} {value:g}" for name, value in facts.items() if value is not None]
        return ", ".join([*known, *(["standardised"] if self.standardise else [])])


class HeadFacts(Frozen):
    """Which head was trained, in which version of its code."""

    name: str
    version: int


class CurveFacts(Frozen):
    """The chosen setting's training, as means over seeds."""

    epochs: list[int]
    train_loss: list[float | None]
    val_loss: list[float | None]
    val_score: list[float | None]


class Keys(Frozen):
    """The three digests; `data` says same samples, `comparison` same ranking, `resume` same number."""

    data: str
    comparison: str
    resume: str


class FileFacts(Frozen):
    """A file beside the record."""

    file: Name
    sha256: str


class Record(Frozen):
    """One encoder on one task under one protocol."""

    schema_version: Literal[1] = SCHEMA
    kind: Literal["measured", "published"]
    task: TaskFacts
    encoder: EncoderFacts
    data: DataFacts
    protocol: ProtocolFacts
    view: ViewFacts
    score: Score
    also: dict[str, Score]
    floor: Score
    resolution: float | None = None
    """Pixel tasks: the score of targets as coarse as the encoder's finest map; for information only."""
    seeds: list[float]
    breakdown: dict[str, float | None]
    replicates: Numbers
    head: HeadFacts | None = None
    """None in records that are older than this field."""
    units: int | None = None
    """Independent units of the test split, samples or groups of them; None in records older than this field."""
    setting: SettingFacts
    settings: list[SettingFacts]
    curves: CurveFacts
    train_loss: float | None
    """None where nothing is trained."""
    numerics: dict[str, str | int | bool]
    frozen: Literal["fully", "all but a copy of layer4"] | None = None
    """What of the encoder was not trained; None in records that are older than this field."""
    device: str
    versions: dict[str, str]
    keys: Keys
    samples: FileFacts
    heads: FileFacts | None = None
    picture: FileFacts | None = None
    """Some test samples with what the heads answer, where 'virb show' drew them."""
    created: str
    seconds: dict[str, float]

    @property
    def stem(self) -> str:
        """The file name without ending."""
        return record_stem(self.task.name, self.protocol.name, self.keys.resume)


def comparison_key(task: Task, protocol: Protocol, data: str, source: Source, limit: int | None) -> str:
    """Return the digest two records must share to stand in one ranking.

    Mean, standard deviation and pixel size belong to the encoder and stay out; the geometry is the task's.
    """
    return digest(
        {
            "task": [task.name, task.version, task.digest()],
            "protocol": [protocol.name, protocol.version, protocol.digest()],
            "data": data,
            "source": source,
            "geometry": task.geometry,
            "limit": limit,
            "published": task.published.model_dump() if protocol.published and task.published else None,
        }
    )


def resume_key(
    comparison: str, fingerprint: str, training: Mapping[str, Any], numerics: Mapping[str, Any], head_version: int
) -> str:
    """Return the digest of everything that would make the same command give the same number."""
    return digest([comparison, fingerprint, dict(training), dict(numerics), head_version])


def record_folder(out: Path, encoder: str, fingerprint: str) -> Path:
    """Return where an encoder's records lie."""
    return out / "records" / f"{encoder}-{fingerprint[:8]}"


def record_stem(task: str, protocol: str, resume: str) -> str:
    """Return a record's file name without ending."""
    return f"{task}.{protocol}.{resume[:8]}"


def read_record(path: Path) -> Record:
    """Return the record in a file, or an error that says what is wrong with it."""
    try:
        return read_model(Record, read_bounded(path, LARGEST_RECORD))
    except (OSError, DamagedFile, ValidationError) as error:
        raise VirbError(
            f"{path} is no readable record: {reason(error)}",
            f"a record of schema {SCHEMA}, as 'virb evaluate' writes it",
            "remove the file and run 'virb evaluate' again",
        ) from error


def reason(error: OSError | DamagedFile | ValidationError) -> str:
    """Return why a file could not be read, as the rest of a sentence."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, DamagedFile):
        return f"it {error}"
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place + ': ' if place else ''}{first['msg'][0].lower()}{first['msg'][1:]}"


def finished(folder: Path, stem: str, resume: str) -> Record | None:
    """Return a whole record that answers this resume key and still has its samples, if there is one.

    One that came in a bundle is somebody else's claim: it spares nobody the run.
    """
    if origin_of(folder / f"{stem}.json").submitted:
        return None
    try:
        record = read_record(folder / f"{stem}.json")
        files = [facts for facts in (record.samples, record.heads) if facts is not None]
        whole = all(sha256_of(folder / facts.file) == facts.sha256 for facts in files)
    except (VirbError, OSError):
        return None
    dated = next(date_problems(record.created), "")  # no board would show it
    return record if whole and not dated and record.keys.resume == resume else None


def read_all(out: Path) -> tuple[list[Record], list[str]]:
    """Return every record below a results folder, and what could not be read."""
    records, problems = [], []
    for path in sorted((out / "records").glob("*/*.json")):
        try:
            records.append(read_record(path))
        except VirbError as error:
            problems.append(error.found)
    return records, problems


def write(record: Record, out: Path, files: Mapping[str, bytes]) -> Path:
    """Write the files beside a record, then the record: a record that is there is whole."""
    folder = record_folder(out, record.encoder.name, record.encoder.fingerprint)
    for name, content in files.items():
        write_whole(folder / name, content)
    path = folder / f"{record.stem}.json"
    write_whole(path, record.model_dump_json(indent=1) + "\n")
    forget(path)
    return path


def pack_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return an npz of these arrays whose bytes depend on nothing else, such as the hour."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            archive.writestr(info, member.getvalue(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def beside(name: str, content: bytes) -> FileFacts:
    """Return what a record says of a file next to it."""
    return FileFacts(file=name, sha256=hashlib.sha256(content).hexdigest())


def number(value: float) -> float | None:
    """Return a JSON number: what is not finite has no value."""
    return float(value) if math.isfinite(value) else None


def to_row(record: Record) -> dict[str, Any]:
    """Return the flat facts of a record, for tables."""
    return {
        "encoder": record.encoder.name,
        "task": record.task.name,
        "quadrant": f"{record.task.level}-{record.task.kind}",
        "metric": record.score.metric,
        "value": record.score.value,
        "low": record.score.low,
        "high": record.score.high,
        "floor": record.floor.value,
        "direction": record.score.direction,
        "unit": record.score.unit,
        "protocol": record.protocol.name,
        "source": record.data.source,
        "limit": record.data.limit,
        "fingerprint": record.encoder.fingerprint,
        "comparison": record.keys.comparison,
        "created": record.created,
        "extra": record.task.extra,
    }
