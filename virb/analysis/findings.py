"""Analysis: the six questions of the 2021 paper, asked of any comparable scores; each answered by a test that fits.

Differences are paired wherever they can be: the same task, the same pretraining data, images and epochs. Scores of
different tasks are put in one unit, the standard deviation over the encoders at hand, before they are averaged.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from virb.analysis.domain import same_domain
from virb.analysis.finding import Effect, Reply
from virb.analysis.matched import balanced_data, compare_methods
from virb.analysis.predictor import predictor
from virb.analysis.scores import title
from virb.analysis.supervision import structural_gain, supervision
from virb.core.markup import escaped, line
from virb.core.text import clean, many, markdown
from virb.leaderboard.board import Board


def findings(scores: Board, methods: tuple[str, str] | None = None, reference: str = "imagenet") -> list[Reply]:
    """Return the answers to the six questions, in the paper's order."""
    return [
        supervision(scores),
        predictor(scores, reference),
        compare_methods(scores, methods),
        structural_gain(scores),
        same_domain(scores),
        balanced_data(scores),
    ]


def as_json(scores: Board, found: Sequence[Reply]) -> str:
    """Return findings for scripts; what is no number is null."""
    content = {
        "scores": title(scores),
        "encoders": len(scores.names),
        "tasks": [task.name for task in scores.columns],
        "findings": [_finite(asdict(finding)) for finding in found],
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def as_markdown(scores: Board, found: Sequence[Reply], pictures: Mapping[str, Sequence[str]] | None = None) -> str:
    """Return findings for readers, each with its pictures where there are any."""
    count = many(len(scores.names), "encoder")
    parts = [
        "# Findings",
        shown(f"{title(scores)[0].upper()}{title(scores)[1:]}; {count}, {len(scores.columns)} tasks."),
    ]
    for number, finding in enumerate(found, 1):
        parts += [f"## {number}. {finding.question}", f"**{escaped(clean(finding.answer))}**"]
        parts += [f"![{finding.question}]({name})" for name in (pictures or {}).get(finding.key, ())]
        if finding.effects:
            parts += [f"In {finding.unit}; 95 % intervals; p after Holm's correction.", _table(finding.effects)]
        parts += [shown(f"Test: {finding.test}"), shown(f"The paper: {finding.paper}")]
        parts += [shown(f"Note: {caution}") for caution in finding.cautions]
    return "\n\n".join(parts) + "\n"


def shown(text: str) -> str:
    """Return a line of a report as markdown shows it: names come from strangers."""
    return line(clean(text))


def _table(effects: Sequence[Effect]) -> str:
    more = list(dict.fromkeys(key for effect in effects for key in effect.more))
    header = ["", "effect", "95 % interval", "n", "p", "verdict", *(name.replace("_", " ") for name in more)]
    rows = [
        [
            effect.label,
            signed(effect.value),
            f"{signed(effect.low)} to {signed(effect.high)}" if math.isfinite(effect.low) else "",
            str(effect.n),
            f"{effect.adjusted:.2g}" if math.isfinite(effect.adjusted) else "",
            effect.verdict,
            *(_shown(effect.more.get(name, "")) for name in more),
        ]
        for effect in effects
    ]
    return markdown(header, rows)


def signed(value: float) -> str:
    """Return a number with its sign; a dash where there is none."""
    return f"{value:+.2f}" if math.isfinite(value) else "–"


def _shown(value: object) -> str:
    return f"{value:+.1f}" if isinstance(value, float) else str(value)
