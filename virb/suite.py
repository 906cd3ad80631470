"""Suite: names, groups and paths to cards."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from virb.errors import UsageError, nearest
from virb.paths import card_folder
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
            found = [task for task in all_tasks() if part in task.groups]
        else:
            found = [task(part)]
            named.add(found[0].name)
        for one in found:
            if chosen.setdefault(one.name, one) != one:
                raise UsageError(
                    f"--tasks {text!r} holds two different cards of the name '{one.name}'",
                    "one card to a name",
                    "rename your card, or leave the other one out",
                )
    if not chosen:
        raise UsageError(
            f"--tasks {text!r} selects no task",
            "task names, a group with tasks in it, or card files, separated by commas",
            "see 'virb tasks list' for names; groups are " + ", ".join(GROUPS),
        )
    return Selection(tuple(chosen[name] for name in sorted(chosen)), frozenset(named))


def task(name: str) -> Task:
    """Return a task by name or from a card file."""
    return Task.read(_card_file(name) or TASKS.path(name, also_known=tuple(GROUPS)))


def bibtex(wanted: Task) -> str:
    """Return BibTeX entries of what to cite for a task: papers of its data set, and its own where it has one."""
    entries = [entry for names, entry in _papers() if names & {wanted.name, wanted.dataset}]
    if not entries:
        raise UsageError(
            f"no paper is known for the data set '{wanted.dataset}' of task {wanted.name}",
            "a data set that 'virb data' lists",
            f"cite what the card names: {wanted.paper}",
        )
    return "\n\n".join(entries)


def _papers() -> list[tuple[set[str], str]]:
    """Return each entry without its keywords, which hold data sets and tasks it stands for beside its key."""
    text = (card_folder("sources") / "papers.bib").read_text(encoding="utf-8")
    found = []
    for entry in re.finditer(r"^@\w+\{(\w+),\n.*?^\}$", text, re.MULTILINE | re.DOTALL):
        keywords = re.search(r"^ *keywords *= \{(.*)\},\n", entry[0], re.MULTILINE)
        names = {entry[1], *(keywords[1].split(", ") if keywords else ())}
        found.append((names, entry[0].replace(keywords[0], "") if keywords else entry[0]))
    return found


def _card_file(text: str) -> Path | None:
    return Path(text).expanduser() if text.endswith((".yaml", ".yml")) else None


def protocol(name: str) -> Protocol:
    """Return a protocol by name or from a card file."""
    return Protocol.read(_card_file(name) or PROTOCOLS.path(name))


def encoder_card(text: str) -> EncoderCard:
    """Return the card of a shipped encoder, of a card file, or one made up for `timm:…` or a weights file."""
    scheme, _, rest = text.partition(":")
    if scheme in SCHEMES and rest:
        return EncoderCard(name=safe_name(f"{scheme}-{rest}"), title=text, weights=text)
    if text in ENCODERS.names():
        return _beside(ENCODERS.path(text))
    if file := _card_file(text):
        return _beside(file)
    path = Path(text).expanduser()
    if text and path.is_file():
        return EncoderCard(name=safe_name(path.stem), title=path.name, weights=str(path.resolve()))
    if text and path.is_dir():
        raise UsageError(
            f"--encoder {text} is a folder", "one checkpoint file, or a card (.yaml)", "name the file inside it"
        )
    if (path.suffix and ":" not in text) or len(path.parts) > 1:
        raise UsageError(
            f"there is no encoder file {text}",
            "a checkpoint file, a card (.yaml), or " + ", ".join(f"{scheme}:NAME" for scheme in SCHEMES),
            "check the path; shipped encoders are listed by 'virb encoders list'",
        )
    hint = nearest(scheme, SCHEMES) if rest else ""
    if hint:
        raise UsageError(
            f"there is no encoder '{text}'; {hint[:-2]}:{rest}'?",
            "one of " + ", ".join(f"{scheme}:NAME" for scheme in SCHEMES),
            "correct the part before the colon",
        )
    return _beside(ENCODERS.path(text, also_known=tuple(f"{scheme}:…" for scheme in SCHEMES)))


def encoder_cards(texts: Sequence[str]) -> list[EncoderCard]:
    """Return one card per encoder; two different ones must not share a name."""
    cards = [encoder_card(text) for text in dict.fromkeys(texts)]
    if not cards:
        raise UsageError("no encoder was given", "at least one", "for example: --encoder random:resnet18")
    names = [card.name for card in cards]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UsageError(
            f"two encoders are called '{twice}'",
            "a name of its own for each, to tell their rows apart",
            "rename a file, or write a card (.yaml) for each with its own name",
        )
    return cards


def _beside(path: Path) -> EncoderCard:
    """Return the card in a file; weights with a relative path lie beside it."""
    card = EncoderCard.read(path)
    if card.weights.partition(":")[0] in SCHEMES or Path(card.weights).is_absolute():
        return card
    return card.model_copy(update={"weights": str((path.parent / card.weights).resolve())})


def safe_name(text: str) -> str:
    """Return a name for cards and folders made of this text."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-._+")[:100] or "encoder"
