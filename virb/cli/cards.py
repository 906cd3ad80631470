"""Command line: tasks and encoders, listed and shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from virb.cli.options import AllowMissing, Arch, Json, Prefix
from virb.cli.printing import columns, json_asked, say, show_card
from virb.core.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from virb.cards.encoder import EncoderCard

tasks_app = typer.Typer(help="List tasks, or show one card.", invoke_without_command=True)
encoders_app = typer.Typer(help="List encoders, show one card, or fetch its weights.", invoke_without_command=True)


@tasks_app.callback()
def _tasks(context: typer.Context, json_output: Json = False) -> None:
    context.obj = json_output
    if context.invoked_subcommand is None:
        list_tasks(context, json_output)


@tasks_app.command("list")
def list_tasks(context: typer.Context, json_output: Json = False) -> None:
    """List every task with its group, metric and title."""
    from virb.cards.select import GROUPS, all_tasks

    rows = [
        {
            "task": task.name,
            "group": "extra" if task.extra else task.quadrant,
            "metric": task.metric,
            "open": "yes" if task.open else "no",
            "title": task.title,
        }
        for task in all_tasks()
    ]
    if json_asked(context, json_output):
        say(json.dumps(rows, indent=1))
    else:
        say(columns(rows) + f"\n\n{len(rows)} tasks. Groups for --tasks: {', '.join(GROUPS)}.")


@tasks_app.command("show")
def show_task(
    context: typer.Context,
    name: str,
    cite: Annotated[bool, typer.Option("--bibtex", help="Print what to cite for it instead, as BibTeX.")] = False,
    json_output: Json = False,
) -> None:
    """Show one task's card, or the papers behind it."""
    from virb.cards.select import bibtex, task

    if cite and json_asked(context, json_output):
        raise UsageError("both --bibtex and --json were given", "one of them", "leave one out")
    if cite:
        say(bibtex(task(name)))
    else:
        show_card(task(name), json_asked(context, json_output))


@encoders_app.callback()
def _encoders(context: typer.Context, json_output: Json = False) -> None:
    context.obj = json_output
    if context.invoked_subcommand is None:
        list_encoders(context, json_output=json_output)


Method = Annotated[str | None, typer.Option(help="Only this method, such as 'SwAV'.")]
Pretraining = Annotated[str | None, typer.Option(help="Only this pretraining data, such as 'imagenet'.")]
FamilyName = Annotated[str | None, typer.Option("--family", help="Only this family, such as 'contrastive'.")]
By = Annotated[str, typer.Option(help="Group by method, pretraining or family.")]


@encoders_app.command("list")
def list_encoders(
    context: typer.Context,
    method: Method = None,
    pretraining: Pretraining = None,
    family: FamilyName = None,
    by: By = "method",
    json_output: Json = False,
) -> None:
    """List encoder cards in groups; filters leave out the others."""
    from virb.cards.encoder_names import all_encoders

    wanted = {"method": method, "pretraining": pretraining, "family": family}
    if by not in wanted:
        raise UsageError(f"--by {by}", f"one of {', '.join(wanted)}", "correct it, or leave it out")
    cards = all_encoders()
    for name, value in wanted.items():
        cards = _only(cards, name, value)
    if json_asked(context, json_output):
        say(json.dumps([card.model_dump(mode="json", exclude_none=True) for card in cards], indent=1))
        return
    say(_grouped(cards, by))
    say(
        f"\n{len(cards)} encoders; 'virb encoders show NAME' tells all of one, 'download NAME' fetches it."
        "\nAlso: a checkpoint file or a pattern of them, a card file, file.py:Name, timm:NAME, torchvision:NAME, "
        "random:ARCH."
    )


def _only(cards: list[EncoderCard], name: str, value: str | None) -> list[EncoderCard]:
    """Return the cards with this value, capitals aside; one that no card has is an error with the nearest."""
    if value is None:
        return cards
    kept = [card for card in cards if str(getattr(card, name)).lower() == value.lower()]
    if not kept:
        known = sorted({str(getattr(card, name)) for card in cards if getattr(card, name)}, key=str.lower)
        raise UsageError(
            f"no encoder has the {name} '{value}'{did_you_mean(value, known)}",
            "one of " + ", ".join(known),
            "see 'virb encoders list'",
        )
    return kept


def _grouped(cards: list[EncoderCard], by: str) -> str:
    """Return a table in blocks, each under the value that its cards share."""
    groups: dict[str, list[EncoderCard]] = {}
    for card in cards:
        groups.setdefault(str(getattr(card, by) or "not said"), []).append(card)
    others = {"method": "pretraining", "pretraining": "method", "family": "method"}[by]
    blocks: list[dict[str, object]] = []
    for name in sorted(groups, key=str.lower):
        members = sorted(groups[name], key=lambda card: (str(getattr(card, others)).lower(), card.name.lower()))
        blocks += [{"encoder": "", others: "", "epochs": "", "architecture": "", "here": ""}] if blocks else []
        blocks += [{"encoder": f"{name} ({len(members)})", others: "", "epochs": "", "architecture": "", "here": ""}]
        blocks += [
            {
                "encoder": f"  {card.name}",
                others: getattr(card, others),
                "epochs": card.epochs or "",
                "architecture": card.architecture,
                "here": _here(card),
            }
            for card in members
        ]
    return columns(blocks)


def _here(card: EncoderCard) -> str:
    """Tell whether the weights of a card with an address were fetched; of the others, who fetches them."""
    from virb.encode.weights import weights_place

    if card.origin.facts.library:
        return f"by {card.origin.scheme}"
    return "yes" if not card.names_file or weights_place(card).is_file() else "no"


@encoders_app.command("show")
def show_encoder(context: typer.Context, name: str, json_output: Json = False) -> None:
    """Show one encoder's card."""
    from virb.cards.encoder_names import encoder_card

    show_card(encoder_card(name), json_asked(context, json_output))


@encoders_app.command("download")
def download_encoder(name: Annotated[str, typer.Argument(help="A card's name, or a card file.")]) -> None:
    """Fetch an encoder's weights: gone on with where it was cut, and checked where a checksum is known."""
    from virb.cards.encoder_names import encoder_card
    from virb.core.progress import choose
    from virb.encode.weights import fetch_weights

    card = encoder_card(name)
    if not card.origin.facts.library:
        say(fetch_weights(card, choose()))
        return
    from virb.encode.load import load_encoder

    encoder = load_encoder(card)  # its own library fetches and keeps it
    say(f"{card.name}: {card.weights} is in the cache of its library, fingerprint {encoder.fingerprint[:8]}")


@encoders_app.command("inspect")
def inspect_encoder(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="A weights file, or a card that names one.")],
    arch: Arch = None,
    prefix: Prefix = None,
    allow_missing: AllowMissing = None,
    json_output: Json = False,
) -> None:
    """Say what a weights file holds: container, prefix, architecture, what matches, and what is left out."""
    from virb.cards.encoder_names import encoder_card, read_as

    (card,) = read_as([encoder_card(file)], arch, prefix, allow_missing)
    from virb.encode.checkpoints import inspect_file
    from virb.encode.load import check_encoder
    from virb.encode.weights import local

    if not card.names_file:
        raise UsageError(f"{card.weights} is no weights file", "a file, or a card that names one", "name the file")
    check_encoder(card)
    report = inspect_file(local(card))
    say(json.dumps(report.as_json(), indent=1) if json_asked(context, json_output) else report.text())
    if report.error:
        raise report.error
