"""README: what it says of tasks is what the cards say."""

from __future__ import annotations

import re
from pathlib import Path

from virb.cards.select import all_tasks

README = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")


def rows() -> list[list[str]]:
    """Return the cells of the table of tasks."""
    lines = re.findall(r"(?m)^\| `\w+` \|.*$", README)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_table_of_tasks_is_what_the_cards_say() -> None:
    wanted = [
        [
            f"`{task.name}`",
            "extra" if task.extra else task.quadrant,
            task.title,
            ", ".join((task.metric, *task.also)),
            "yes" if task.open else "",
        ]
        for task in all_tasks()
    ]
    assert sorted(rows()) == sorted(wanted)


def test_the_number_of_tasks_in_the_text_is_that_of_the_group_all() -> None:
    assert sum("all" in task.groups for task in all_tasks()) == 20
    assert "Twenty tasks" in README
