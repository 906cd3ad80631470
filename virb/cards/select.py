"""Suite: names, groups and paths to cards."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from virb.cards.encoder import EncoderCard
from virb.cards.plugins import Kind, Offers, offers
from virb.cards.protocol import Protocol
from virb.cards.task import Task
from virb.cards.yaml_files import Registry
from virb.core.errors import UsageError
from virb.core.paths import card_folder, user_path

TASKS, ENCODERS, PROTOCOLS = Registry("tasks"), Registry("encoders"), Registry("protocols")
GROUPS = (
    "all extra open image pixel semantic structural image-semantic image-structural pixel-semantic pixel-structural"
).split()


@dataclass(frozen=True)
class Selection:
    """Tasks in a stable order, and which of them were asked for by their own name.

    A named task must run or fail; a member of a group may be skipped when its data are not there.
    """

    tasks: tuple[Task, ...]
    named: frozenset[str]


@cache
def added(kind: Kind) -> Offers:
    """Return what installed packages add to the shipped tasks or encoders."""
    if kind == "tasks":
        return offers(kind, [*TASKS.names(), *GROUPS], _check_added_task)
    return offers(kind, ENCODERS.names(), _check_added_encoder)


def _check_added_task(path: Path) -> None:
    if not Task.read(path).extra:
        raise UsageError(f"{path} does not say 'extra: true'", "extra: true", "'all' stands for the paper's tasks only")


def _check_added_encoder(path: Path) -> None:
    EncoderCard.read(path)


def all_tasks() -> list[Task]:
    """Return every shipped task, and those that installed packages add."""
    cards = [TASKS.path(name) for name in TASKS.names()]
    return [Task.read(path) for path in [*cards, *_added_cards("tasks").values()]]


def _added_cards(kind: Kind) -> dict[str, Path]:
    return {name: offer.card for name, offer in added(kind).by_name.items() if offer.card}


def added_card(name: str) -> Path | None:
    """Return the card of a task that an installed package adds."""
    return _added_cards("tasks").get(name)


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
    others = _added_cards("tasks")
    return Task.read(card_file(name) or others.get(name) or TASKS.path(name, also_known=(*GROUPS, *others)))


def bibtex(wanted: Task) -> str:
    """Return BibTeX entries of what to cite for a task: papers of its data set, and its own where it has one."""
    entries = [entry for names, entry in _papers() if names & {wanted.name, wanted.dataset}]
    if not entries:
        raise UsageError(
            f"no paper is known for the data set '{wanted.dataset}' of task {wanted.name}",
            "an entry under its name, or with it among the keywords, in virb/cards/papers.bib",
            f"cite what the card names: {wanted.paper}",
        )
    return "\n\n".join(entries)


def _papers() -> list[tuple[set[str], str]]:
    """Return each entry without its keywords, which hold data sets and tasks it stands for beside its key."""
    text = (card_folder("datasets").parent / "papers.bib").read_text(encoding="utf-8")
    found = []
    for entry in re.finditer(r"^@\w+\{(\w+),\n.*?^\}$", text, re.MULTILINE | re.DOTALL):
        keywords = re.search(r"^ *keywords *= \{(.*)\},\n", entry[0], re.MULTILINE)
        names = {entry[1], *(keywords[1].split(", ") if keywords else ())}
        found.append((names, entry[0].replace(keywords[0], "") if keywords else entry[0]))
    return found


def card_file(text: str) -> Path | None:
    """Return the path that a text on the command line is, if it is one of a card."""
    return user_path(text) if text.endswith((".yaml", ".yml")) else None


def protocol(name: str) -> Protocol:
    """Return a protocol by name or from a card file."""
    return Protocol.read(card_file(name) or PROTOCOLS.path(name))
