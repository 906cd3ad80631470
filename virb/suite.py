"""Suite: names, groups and paths to cards."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from virb.errors import UsageError
from virb.registry import Registry
from virb.spec import EncoderCard, Protocol, Task

TASKS, ENCODERS, PROTOCOLS = Registry("tasks"), Registry("encoders"), Registry("protocols")
GROUPS = (
    "all extra open image pixel semantic structural image-semantic image-structural pixel-semantic pixel-structural"
).split()
SCHEMES = ("timm", "torchvision", "random", "baseline")


@dataclass(frozen=True)
class Selection:
    """Tasks in a stable order, and which of them were asked for by their own name.

    A named task must run or fail; a member of a group may be skipped when its data are not there.
    """

    tasks: tuple[Task, ...]
    named: frozenset[str]


def all_tasks() -> list[Task]:
    """Return every shipped task."""
    return [Task.read(TASKS.path(name)) for name in TASKS.names()]


def select_tasks(text: str) -> Selection:
    """Return the tasks behind `all`, a group, names, or card files, separated by commas."""
    chosen: dict[str, Task] = {}
    named: set[str] = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        if part in GROUPS:
            chosen.update((task.name, task) for task in all_tasks() if part in task.groups)
            continue
        task = Task.read(Path(part)) if part.endswith((".yaml", ".yml")) else _task(part)
        chosen[task.name] = task
        named.add(task.name)
    if not chosen:
        raise UsageError(
            f"--tasks {text!r} selects no task",
            "task names, a group or card files, separated by commas",
            "see 'virb tasks list' for names; groups are " + ", ".join(GROUPS),
        )
    return Selection(tuple(chosen[name] for name in sorted(chosen)), frozenset(named))


def _task(name: str) -> Task:
    return Task.read(TASKS.path(name, also_known=tuple(GROUPS)))


def protocol(name: str) -> Protocol:
    """Return a protocol by name or from a card file."""
    return Protocol.read(Path(name) if name.endswith((".yaml", ".yml")) else PROTOCOLS.path(name))


def encoder_card(text: str) -> EncoderCard:
    """Return the card of a shipped encoder, of a card file, or one made up for `timm:…` or a weights file."""
    scheme, _, rest = text.partition(":")
    if scheme in SCHEMES and rest:
        return EncoderCard(name=_safe(f"{scheme}-{rest}"), title=text, weights=text)
    path = Path(text).expanduser()
    if path.suffix in (".yaml", ".yml"):
        return _beside(EncoderCard.read(path), path.parent)
    if path.is_file():
        return EncoderCard(name=_safe(path.stem), title=path.name, weights=str(path.resolve()))
    if path.suffix or len(path.parts) > 1:
        raise UsageError(
            f"there is no encoder file {text}" + (" (that is a folder)" if path.is_dir() else ""),
            "a checkpoint file, a card (.yaml), or " + ", ".join(f"{scheme}:NAME" for scheme in SCHEMES),
            "check the path; shipped encoders are listed by 'virb encoders list'",
        )
    return EncoderCard.read(ENCODERS.path(text, also_known=tuple(f"{scheme}:…" for scheme in SCHEMES)))


def encoder_cards(texts: Sequence[str]) -> list[EncoderCard]:
    """Return one card per encoder; two different ones must not share a name."""
    cards = [encoder_card(text) for text in dict.fromkeys(texts)]
    if not cards:
        raise UsageError("no encoder was given", "at least one", "for example: --encoder random:resnet18")
    return cards


def _beside(card: EncoderCard, folder: Path) -> EncoderCard:
    """Resolve a relative weights path of a card file against the card's own folder."""
    if card.weights.partition(":")[0] in SCHEMES or Path(card.weights).is_absolute():
        return card
    return card.model_copy(update={"weights": str((folder / card.weights).resolve())})


def _safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-.")[:100] or "encoder"
