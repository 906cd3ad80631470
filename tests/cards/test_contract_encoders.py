"""Contract: what every shipped encoder card must hold to."""

from __future__ import annotations

import pytest

from virb.cards.encoder import EncoderCard
from virb.cards.select import ENCODERS
from virb.cards.weights import TYPED

ENCODER_NAMES = ENCODERS.names()


# Every encoder


@pytest.mark.parametrize("name", ENCODER_NAMES)
def test_an_encoder_card_is_read_and_says_where_it_comes_from(name: str) -> None:
    card = EncoderCard.read(ENCODERS.path(name))
    assert card.name == name
    scheme = card.weights.partition(":")[0]
    assert scheme in (*TYPED, "https"), "a shipped card cannot point at a file of the author's"
    assert card.title
    assert card.method, "'none' and 'baseline' are methods too"
    assert card.family
    assert card.pretraining
    assert card.paper or scheme == "baseline"
    assert not card.address or (card.arch and card.home), "an address can vanish: who offers the file, and what it is"
    assert card.sha256 or not card.bytes


@pytest.mark.parametrize("name", ENCODER_NAMES)
def test_an_encoder_card_marks_only_facts_that_it_states_as_unchecked(name: str) -> None:
    card = EncoderCard.read(ENCODERS.path(name))
    assert set(card.from_memory) <= card.model_fields_set | set(card.facts)


@pytest.mark.parametrize("name", ENCODER_NAMES)
def test_the_architecture_behind_an_encoder_card_exists(name: str) -> None:
    """Without the network: names and tags only."""
    card = EncoderCard.read(ENCODERS.path(name))
    scheme, _, rest = card.weights.partition(":")
    if card.address:
        import timm

        assert card.arch
        assert timm.is_model(card.arch)
    elif scheme == "baseline":
        assert rest in ("pixels", "color")
    elif scheme == "torchvision":
        from torchvision import models

        arch, _, tag = rest.partition(".")
        assert tag in models.get_model_weights(arch).__members__, "a card names its weights, never the default"
    else:
        import timm

        arch = rest.partition("@")[0]
        assert timm.is_model(arch.split(".")[0])
        assert scheme == "random" or timm.models.is_model_pretrained(arch)


def test_no_two_encoder_cards_share_their_weights_or_title() -> None:
    cards = [EncoderCard.read(ENCODERS.path(name)) for name in ENCODER_NAMES]
    assert len({card.weights for card in cards}) == len(cards)
    assert len({card.title.lower() for card in cards}) == len(cards)
    assert len({card.name.lower() for card in cards}) == len(cards), "some disks do not tell capitals apart"


PAPER = {
    "SWAV": "_50 _100 _200 _800",
    "MoCov2": "_50 _100 _200 _800",
}


SUBSETS = (
    "HalfImagenet HalfImagenet_100 QuarterImagenet UnbalancedImagenet UnbalancedImagenet_100 LogImagenet Places "
    "Kinetics Taskonomy Combination"
)


def test_the_encoders_of_the_2021_paper_are_all_there_under_its_names() -> None:
    names = {f"{method}{run}" for method, runs in PAPER.items() for run in [*runs.split(), *SUBSETS.split()]}
    names |= {"MoCov1_200", "PIRL", "SimCLR_1000", "Supervised", "Random"}
    cards = [EncoderCard.read(ENCODERS.path(name)) for name in ENCODER_NAMES]
    assert {card.name for card in cards if card.facts.get("suite") == "virb2021"} == names
    assert len(names) == 33
    assert {card.architecture for card in cards if card.name in names} == {"resnet50"}


def test_what_plots_group_encoders_by_is_spelt_in_one_way() -> None:
    cards = [EncoderCard.read(ENCODERS.path(name)) for name in ENCODER_NAMES]
    for field in ("method", "pretraining"):
        values = {getattr(card, field) for card in cards}
        assert len({value.lower().replace(" ", "").replace("-", "") for value in values}) == len(values)
    by_method: dict[str, set[str | None]] = {}
    for card in cards:
        by_method.setdefault(card.method, set()).add(card.family)
    assert all(len(families) == 1 for families in by_method.values()), "a method is of one family"
