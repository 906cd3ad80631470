"""Submission: what a reader of a board wants to know of an encoder, and what a card leaves open of it."""

from __future__ import annotations

from virb.cards.encoder import EncoderCard

ASKED = {
    "title": "Title, as it shall stand on a board",
    "method": "Method of pretraining (supervised, moco, ...; none for random weights)",
    "pretraining": "Pretraining data set (imagenet, ...; none)",
    "images": "Number of pretraining images",
    "epochs": "Epochs of pretraining",
    "paper": "Paper or page that describes it ('unpublished' where there is none)",
    "licence": "Licence of the weights ('unknown' where nobody says)",
}
"""The fields that a submission needs, and how each is asked for."""
OF_TRAINING = ("images", "epochs")
_UNTRAINED = ("none", "")


def missing(card: EncoderCard) -> list[str]:
    """Return the fields that a submission needs and this card leaves open; untrained weights saw no images."""
    trained = card.pretraining not in _UNTRAINED or card.origin.facts.trained
    wanted = [name for name in ASKED if trained or name not in OF_TRAINING]
    if card.pretraining == "none":
        wanted = [name for name in wanted if name not in OF_TRAINING]
    return [name for name in wanted if getattr(card, name) in ("", None) or _is_file_name(card, name)]


def _is_file_name(card: EncoderCard, name: str) -> bool:
    """Tell whether a title was made up from the file or the name that `--encoder` was given."""
    made_up = (card.weights, card.weights.replace("\\", "/").rsplit("/", 1)[-1])
    return name == "title" and card.title in made_up
