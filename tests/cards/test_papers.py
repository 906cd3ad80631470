"""Papers: what to cite for each task, as BibTeX that other programs can read."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest

from virb.cards.select import GROUPS, TASKS, all_tasks, bibtex, task
from virb.cards.yaml_files import Registry
from virb.cli import main
from virb.core.errors import UsageError
from virb.core.paths import card_folder

TEXT = (card_folder("datasets").parent / "papers.bib").read_text(encoding="utf-8")
WANTED = {"article": "journal", "inproceedings": "booktitle", "techreport": "institution"}
"""Kinds of entry, and the field in which each says where it appeared."""


def parse(text: str) -> dict[str, dict[str, str]]:
    """Return fields by key, found by counting braces, so that a slip in the file is seen here and not by a reader."""
    entries: dict[str, dict[str, str]] = {}
    for head in re.finditer(r"@(\w+)\{(\w+),", text):
        body = text[head.end() : closing(text, head.start() + len(head[1]) + 1)]
        assert head[2] not in entries, f"two entries {head[2]}"
        fields = {"kind": head[1]}
        for field in re.finditer(r"(\w+)\s*=\s*\{", body):
            if body[: field.start()].count("{") == body[: field.start()].count("}"):
                fields[field[1]] = body[field.end() : closing(body, field.end() - 1)]
        entries[head[2]] = fields
    return entries


def closing(text: str, start: int) -> int:
    """Return where the brace that opens at `start` closes."""
    depth = 0
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if not depth:
            return place
    raise AssertionError(f"a brace is never closed: {text[start : start + 60]!r}")


def test_the_parser_reads_braces_in_braces_and_refuses_a_lost_one() -> None:
    good = "text\n@article{one,\n  title = {A {B} c = {d}},\n  year = {1999}\n}\n"
    assert parse(good) == {"one": {"kind": "article", "title": "A {B} c = {d}", "year": "1999"}}
    with pytest.raises(AssertionError):
        parse(good.replace("{d}}", "{d}"))
    with pytest.raises(AssertionError):
        parse(good + good)


def test_every_entry_is_whole() -> None:
    for key, fields in parse(TEXT).items():
        place = WANTED[fields["kind"]]
        assert set(fields) - {"keywords"} == {"kind", "author", "title", "year", place}, key
        assert re.fullmatch(r"(19|20)\d\d", fields["year"]), key
        for author in fields["author"].split(" and "):
            assert author == "others" or re.fullmatch(r"[^,]+, [^,]+", author), f"{key}: {author}"


def test_braces_balance_and_every_entry_is_found() -> None:
    assert TEXT.count("{") == TEXT.count("}")
    assert TEXT.count("@") == len(parse(TEXT)) == len(re.findall(r"(?m)^@", TEXT)) == len(re.findall(r"(?m)^\}$", TEXT))


def test_every_key_and_keyword_is_a_data_set_or_a_task() -> None:
    known = {*Registry("datasets").names(), *TASKS.names()}
    entries = parse(TEXT)
    assert set(entries) - known == {"virb", "coco", "thor"}, "papers that stand for several"
    for key, fields in entries.items():
        names = fields["keywords"].split(", ") if "keywords" in fields else []
        assert set(names) <= known, key
        assert names or key in known, f"{key} is printed for nothing"


@pytest.mark.parametrize("name", TASKS.names())
def test_every_task_has_entries_that_a_parser_reads(name: str) -> None:
    chosen = task(name)
    found, whole = parse(bibtex(chosen)), parse(TEXT)
    assert {chosen.name, chosen.dataset, "virb"} & set(found)
    for key, fields in found.items():
        assert "keywords" not in fields, "names of ours mean nothing in a paper"
        assert fields == {field: text for field, text in whole[key].items() if field != "keywords"}


@pytest.mark.parametrize("name", TASKS.names())
def test_the_paper_on_a_card_is_among_the_entries(name: str) -> None:
    """The card's line and the entry were written apart: first author's name and year must agree."""
    chosen = task(name)
    first, year = re.split(r" et al|,| and ", chosen.paper)[0].split()[-1], re.findall(r"\d{4}", chosen.paper)[0]
    found = {(fields["author"].split(",")[0], fields["year"]) for fields in parse(bibtex(chosen)).values()}
    assert (first, year) in found


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("dtd", {"dtd"}),
        ("thor_depth", {"virb", "thor"}),
        ("nuscenes_egomotion", {"virb", "nuscenes"}),
        ("nyu_walkable", {"virb", "nyu", "nyu_walkable"}),
        ("nyu_depth", {"nyu"}),
        ("clevr_distance", {"clevr", "clevr_distance"}),
        ("imagenetv2", {"imagenet", "imagenetv2"}),
        ("coco_panoptic", {"coco", "coco_panoptic"}),
    ],
)
def test_a_task_cites_its_data_and_who_made_a_task_of_them(name: str, keys: set[str]) -> None:
    assert set(parse(bibtex(task(name)))) == keys


def test_the_command_prints_the_entries(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "show", "pets_seg", "--bibtex"]) == 0
    assert parse(capsys.readouterr().out)["pets"]["title"] == "Cats and Dogs"


def test_a_card_of_the_users_own_cites_the_data_it_uses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = (card_folder("tasks") / "dtd.yaml").read_text().replace("name: dtd", "name: mine")
    (tmp_path / "mine.yaml").write_text(card)
    assert main(["tasks", "show", str(tmp_path / "mine.yaml"), "--bibtex"]) == 0
    assert set(parse(capsys.readouterr().out)) == {"dtd"}


def test_bibtex_and_json_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "show", "dtd", "--bibtex", "--json"]) == 2
    assert "leave one out" in capsys.readouterr().err


def test_a_data_set_without_a_paper_is_answered_with_the_cards_own_line() -> None:
    unknown = task("dtd").model_copy(update={"name": "mine", "dataset": "attic"})
    with pytest.raises(UsageError, match="attic") as caught:
        bibtex(unknown)
    assert unknown.paper in str(caught.value)


def test_the_entries_are_shipped() -> None:
    parser = configparser.ConfigParser()
    parser.read(Path(__file__).resolve().parents[2] / "setup.cfg", encoding="utf-8")
    assert "papers.bib" in parser["options.package_data"]["virb.cards"].split()


@pytest.mark.parametrize("group", GROUPS)
def test_the_list_of_tasks_names_the_groups_and_each_selects_some(
    group: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tasks", "list"]) == 0
    assert group in re.split(r"[ ,.]+", capsys.readouterr().out.splitlines()[-1])
    assert sum(group in one.groups for one in all_tasks()) > 1
