"""Card: a file of facts with a name, read strictly; every problem of it is told at once, with the nearest spelling."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from virb.cards.yaml_files import read_yaml
from virb.core.digest import digest
from virb.core.errors import CardError, did_you_mean, nearest
from virb.core.text import cut

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$")]


MOST_TOLD = 20
"""Problems of one file that are told at once."""


class Frozen(BaseModel):
    """A value that never changes after construction and refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Card(Frozen):
    """A file of facts with a name."""

    descriptive: ClassVar[frozenset[str]] = frozenset({"title"})
    """Fields that may be reworded without changing what is measured: they stay out of the digest."""

    name: Name
    title: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the card in a file, or one error that lists every problem of it."""
        content = read_yaml(path)
        problems = []
        if "name" in content and content["name"] != path.stem:
            problems.append(f"name: found {_told(content['name'])}; it must be the file's own name, '{path.stem}'")
        try:
            # Through JSON: strict mode then still takes a YAML list for a tuple.
            card = cls.model_validate_json(json.dumps(content), strict=True)
        except ValidationError as error:
            details = error.errors(include_url=False)
            problems += [_problem(detail, cls) for detail in details[:MOST_TOLD]]
            if len(details) > MOST_TOLD:
                problems.append(f"and {len(details) - MOST_TOLD:,} more")
        if problems:
            count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
            raise CardError(
                f"{path} has {count}:\n" + "\n".join(f"  - {problem}" for problem in problems),
                f"the keys {', '.join(cls.model_fields)}",
                "correct the card and try again",
            )
        return card

    def digest(self) -> str:
        """Return the digest of what the card means: reworded titles and notes do not change it."""
        return digest(self.model_dump(mode="json", exclude=set(self.descriptive)))


def _told(value: Any) -> str:
    """Return a value as a card may have it, of any length, in a few words."""
    return cut(repr(value))


def _problem(detail: Any, model: type[BaseModel]) -> str:
    """Return one problem as a line: where, what was found, what would do."""
    place = cut(".".join(str(part) for part in detail["loc"]))
    kind, value = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        return f"unknown key '{place}'" + did_you_mean(str(detail["loc"][-1]), _keys_at(model, detail["loc"][:-1]))
    if kind == "missing" and isinstance(detail["loc"][-1], int):
        outer = ".".join(str(part) for part in detail["loc"][:-1])
        return f"{outer}: found {len(value)} values; it needs {detail['loc'][-1] + 1} or more"
    if kind == "missing":
        return f"missing key '{place}'"
    if kind == "value_error":  # a rule between keys: the whole card would be printed as its input
        return f"{place + ': ' if place else ''}{detail['ctx']['error']}"
    message = f"{place}: found {_told(value)}; {detail['msg'][0].lower()}{detail['msg'][1:]}"
    if kind == "literal_error" and isinstance(value, str):
        message += f" {nearest(value, _options(detail))}".rstrip()
    if kind == "float_type" and isinstance(value, str) and _is_number(value):
        message += f" (YAML reads {cut(value)} as text: write {float(value)!r})"
    if kind == "int_type" and isinstance(value, str) and value[:1].isdigit():
        message += " (whole numbers are written in decimal digits, such as 16)"
    return message


def _keys_at(model: type[BaseModel], place: tuple[str | int, ...]) -> list[str]:
    """Return the keys of the mapping at a place inside a card."""
    for part in place:
        inner = model.model_fields.get(str(part))
        kinds = [] if inner is None else [inner.annotation, *get_args(inner.annotation)]
        model = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), model)
    return list(model.model_fields)


def _options(detail: Any) -> list[str]:
    return [option.strip(" '\"") for option in detail["ctx"]["expected"].replace(" or ", ",").split(",")]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
