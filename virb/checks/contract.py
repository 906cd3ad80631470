"""Contract: does a card, or an encoder in a python file, keep what virb counts on? Line by line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from virb.cards.dataset import DataCard
from virb.cards.encoder import EncoderCard
from virb.cards.encoder_names import encoder_card
from virb.cards.select import ENCODERS, GROUPS, TASKS
from virb.cards.submission import missing as missing_facts
from virb.cards.task import Task
from virb.cards.yaml_files import Registry, read_yaml
from virb.core.errors import UsageError, VirbError
from virb.core.paths import user_path
from virb.core.types import Dataset
from virb.data.common import DATASETS

if TYPE_CHECKING:
    import torch

    from virb.encode.encoder import Encoder

Found = TypeVar("Found")
_TASK_KEYS = {"dataset", "target", "metric", "level"}
_DATA_KEYS = {"folders", "proof"}


@dataclass(frozen=True)
class Clause:
    """One thing that was looked at; `problem` is empty where it holds."""

    name: str
    problem: str = ""
    remedy: str = ""

    @property
    def holds(self) -> bool:
        """Whether it is as it should be."""
        return not self.problem


def check_path(text: str) -> list[Clause]:
    """Return every check of a card file or a python file, the first failure of a kind ending what builds on it."""
    if re.search(r"\.py(:\w*)?$", text):
        return list(_encoder(text))
    path = user_path(text)
    if path.suffix not in (".yaml", ".yml"):
        raise UsageError(
            f"{text} is neither a card nor a python file",
            "a card (.yaml) of a task, an encoder or a data set, or file.py:Name",
            "check the path; 'virb encoders inspect FILE' looks into checkpoint files",
        )
    keys = set(read_yaml(path))
    if keys & _DATA_KEYS:
        return list(_data_card(path))
    return list(_task(path) if keys & _TASK_KEYS else _encoder_card(path))


def _try(checks: list[Clause], name: str, work: Callable[[], Found]) -> Found | None:
    """Note whether a piece of work succeeds, and return what it made."""
    try:
        made = work()
    except VirbError as error:
        checks.append(Clause(name, error.found, error.remedy))
        return None
    except Exception as error:  # a stranger's code can fail in any way
        checks.append(Clause(name, f"{type(error).__name__}: {error}", "run it by itself to see where"))
        return None
    checks.append(Clause(name))
    return made


def _is_taken(name: str, cards: Registry, path: Path) -> bool:
    """Tell whether a shipped card has this name and is another: the same one may lie in a checkout too."""
    return name in cards.names() and cards.path(name).read_bytes() != path.read_bytes()


def _data_card(path: Path) -> Iterator[Clause]:
    from virb.data import adapter
    from virb.sample import DATASETS as STAND_INS

    checks: list[Clause] = []
    card = _try(checks, "the card is read", lambda: DataCard.read(path))
    if card is not None:
        there = card.name in DATASETS.names()
        checks.append(
            Clause("it lies where virb looks", "" if there else "it does not", "put it in virb/cards/datasets")
        )
    if card is not None and there:
        _try(checks, "an adapter reads it", partial(adapter, card.name))
        made = card.name in STAND_INS
        checks.append(Clause("it has a stand-in", "" if made else "it has none", "a writer in virb/sample/sets"))
    yield from checks


def _task(path: Path) -> Iterator[Clause]:
    from virb.data import adapter, read_dataset
    from virb.sample import DATASETS, ensure

    checks: list[Clause] = []
    task = _try(checks, "the card is read", lambda: Task.read(path))
    if task is not None:
        taken = task.name in GROUPS or _is_taken(task.name, TASKS, path)
        again = f"'{task.name}' is the name of a shipped task or group"
        checks.append(Clause("the name is free", again if taken else "", "rename the card and its file"))
        known = _try(checks, "its data set has an adapter", lambda: adapter(task.dataset))
        if known and task.dataset in DATASETS:
            name = "the sample data are read for its target"
            dataset = _try(checks, name, lambda: read_dataset(task.dataset, ensure([task.dataset]), task.target))
            if dataset is not None:
                checks += _task_fits(task, dataset)
    yield from checks


def _task_fits(task: Task, dataset: Dataset) -> Iterator[Clause]:
    """Check a task against the data that it will meet."""
    from virb.data.facts import metric_of

    given = dataset.test.index.shape[1]
    wrong = f"the card says {task.frames}, {task.dataset} gives {given}" if given != task.frames else ""
    yield Clause("frames are those of its data", wrong, f"frames: {given}")
    pixels = dataset.labels is not None
    level = "pixel" if pixels else "image"
    wrong = f"the card says {task.level}, the target is one of level {level}" if level != task.level else ""
    yield Clause("level is that of its target", wrong, f"level: {level}")
    if not wrong:
        checks: list[Clause] = []
        count = len(dataset.classes)
        for metric in (task.metric, *task.also):
            _try(checks, f"metric {metric}", partial(metric_of, task, metric, count))
        yield from checks
    if not pixels:
        few = len(set(dataset.train.targets.tolist())) < 2
        yield Clause("there are two classes or more", "there is one class" if few else "", "choose another target")
    overlap = set(dataset.train.ids) & set(dataset.test.ids)
    shared = f"{len(overlap)} samples are in both" if overlap else ""
    yield Clause("train and test share no sample", shared, "mend the split in the adapter")


def _encoder_card(path: Path) -> Iterator[Clause]:
    checks: list[Clause] = []
    card = _try(checks, "the card is read", lambda: EncoderCard.read(path))
    if card is None:
        yield from checks
        return
    again = f"'{card.name}' is the name of a shipped encoder" if _is_taken(card.name, ENCODERS, path) else ""
    checks.append(Clause("the name is free", again, "rename the card and its file"))
    unsaid = [key for key in ("method", "family", "pretraining") if not getattr(card, key)]
    said = f"{', '.join(unsaid)} not said" if unsaid else ""
    checks.append(Clause("it says what plots group by", said, "method, family and pretraining, in the card"))
    unknown = sorted(set(card.from_memory) - card.model_fields_set - set(card.facts))
    said = f"{', '.join(unknown)} is not in the card" if unknown else ""
    checks.append(Clause("from_memory names facts of the card", said, "name keys that the card has"))
    gaps = missing_facts(card)
    checks.append(Clause("it can be submitted" + (f" once it says {', '.join(gaps)} too" if gaps else "")))
    if card.origin.facts.library:  # a name is checked without fetching its weights
        from virb.encode.load import check_encoder

        _try(checks, f"{card.weights} is known", partial(check_encoder, card))
    yield from checks
    if not card.origin.facts.library:
        yield from _encoder(str(path))


def _encoder(text: str) -> Iterator[Clause]:
    """Check that an encoder is there and answers; then how it answers."""
    from virb.encode.load import check_encoder, load_encoder

    def found() -> EncoderCard:
        card = encoder_card(text)
        check_encoder(card)
        return card

    checks: list[Clause] = []
    card = _try(checks, "its weights or its class are there", found)
    encoder = None
    if card is not None:
        encoder = _try(checks, "it encodes a picture: [N, D], maps fine to coarse", partial(load_encoder, card))
    yield from checks
    if encoder is not None:
        yield from _at_work(encoder)


def _at_work(encoder: Encoder) -> Iterator[Clause]:
    """Check that rows do not lean on one another, that the same comes twice, and that weights stay as they are."""
    import torch

    size = encoder.resolve_size(96)
    images = torch.randn(5, 3, size, size, generator=torch.Generator().manual_seed(1))
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    with torch.inference_mode():
        outputs = [[whole[0], *whole[1]] for whole in (encoder(images, maps=True), encoder(images, maps=True))]
        alone = [encoder(image[None], maps=True) for image in images]
        bare = encoder(images)[0]
    rows = [torch.cat(parts) for parts in zip(*[[one[0], *one[1]] for one in alone], strict=True)]
    finite = all(bool(torch.isfinite(output).all()) for output in outputs[0])
    yield Clause("numbers are finite", "" if finite else "NaN or infinity", "look for divisions and overflows")
    dull = bool((outputs[0][0] == outputs[0][0][:1]).all())
    yield Clause("pictures are told apart", "five pictures have one embedding" if dull else "", "check the weights")
    yield _same(
        "the same pictures give the same answer", outputs[0], outputs[1], "leave randomness out, such as dropout"
    )
    yield _same(
        "a picture's answer does not depend on its batch", outputs[0], rows, "call .eval() on what has BatchNorm"
    )
    yield _same(
        "the embedding is the same with maps and without", [outputs[0][0]], [bare], "do not let maps() change it"
    )
    moved = [name for name, tensor in encoder.state_dict().items() if not torch.equal(tensor, before[name])]
    yield Clause(
        "its weights stay as they are", f"{moved[0]} moves" if moved else "", "do not update anything in embed()"
    )
    maps = "" if encoder.shape.maps else " (no maps: pixel tasks are left out)"
    yield Clause(f"it works at {size} pixels{maps}")


def _same(name: str, first: Sequence[torch.Tensor], second: Sequence[torch.Tensor], remedy: str) -> Clause:
    import torch

    close = len(first) == len(second) and all(
        one.shape == other.shape and torch.allclose(one.float(), other.float(), rtol=1e-3, atol=1e-4)
        for one, other in zip(first, second, strict=True)
    )
    return Clause(name, "" if close else "it does not", remedy)
