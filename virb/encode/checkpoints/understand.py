"""Checkpoints: a file to what it is: prefix, naming, architecture, and which tensors match; no number is read yet."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from virb.core.errors import CheckpointError, did_you_mean
from virb.core.text import cut
from virb.encode.architectures import Architecture
from virb.encode.checkpoints.architecture import infer
from virb.encode.checkpoints.beside import activation
from virb.encode.checkpoints.choice import Candidate, asked, by_names, candidates, inside
from virb.encode.checkpoints.lost import Lost
from virb.encode.checkpoints.naming import rename
from virb.encode.checkpoints.safe import Contents, Stored, read_contents
from virb.encode.checkpoints.shapes import problems, shapes_of
from virb.encode.checkpoints.vits import Hints

# Parts of known methods and classifiers that are no backbone, by the first part of a name or the last.
_HEADS = re.compile(
    r"(?:fc|head|heads|head_dist|cls_classifier|distillation_classifier|heads_\w+|classifier|classifier_\w+|linear|last_linear|logits|pooler|pre_logits|proj"
    r"|projector|projection|projection_head|projection_mlp|proj_head|mlp_head|contrastive_head|jigsaw_head|predictor"
    r"|prediction_mlp|prototypes|queue|queue_ptr|queue2|queue2_ptr|mask_token|masked_embed|decoder_\w+|decoder|dino_head"
    r"|ibot_head|l[12]|out|output_layer|normalize|criterion|loss_fn|memory_bank|visual_head|temperature|g|pred"
    r"|layernorm_decoder|lm_head)(?:\..+)?"
)
_COMPUTED = re.compile(
    r"(?:.+\.)?(?:relative_position_index|relative_coords_table|attn_mask|position_ids|num_batches_tracked)"
)
_QUICK = ("input_resolution", "context_length", "vocab_size")
"""Numbers that OpenAI's own CLIP files hold as tensors; OpenCLIP's do not."""


@dataclass(frozen=True)
class Request:
    """What the user says of a file, where its own tensors do not."""

    arch: str | None = None
    prefix: str | None = None
    allow: tuple[str, ...] = ()


@dataclass(frozen=True)
class Matching:
    """One architecture against one place in a file."""

    candidate: Candidate
    architecture: Architecture
    wanted: dict[str, tuple[int, ...]]
    found: dict[str, Stored]
    origin: dict[str, str]
    """What a tensor of timm's name is called in the file, behind the prefix."""

    @cached_property
    def missing(self) -> list[str]:
        """Backbone tensors that the file lacks."""
        return [name for name in self.wanted if name not in self.found and not name.endswith("num_batches_tracked")]

    @cached_property
    def reshaped(self) -> list[str]:
        """Backbone tensors that the file has in another shape."""
        return [name for name, shape in self.wanted.items() if name in self.found and self.found[name].shape != shape]

    @cached_property
    def fitting(self) -> tuple[int, int]:
        """How many backbone tensors match, of how many; counters of batches, which many files lack, are none."""
        counted = [name for name in self.wanted if not name.endswith("num_batches_tracked")]
        faulty = {*self.missing, *self.reshaped}
        return len([name for name in counted if name not in faulty]), len(counted)

    @cached_property
    def unexpected(self) -> list[str]:
        """Tensors among the backbone's that belong to none of its layers, and to no known head."""
        return [name for name in self._beside if not _HEADS.fullmatch(name) and not _COMPUTED.fullmatch(name)]

    @cached_property
    def left_out(self) -> list[str]:
        """Tensors of heads, and those that a model computes for itself, as the file calls them."""
        beside = [name for name in self._beside if _HEADS.fullmatch(name) or _COMPUTED.fullmatch(name)]
        return [key for name in beside for key in self.origin[name].split(" + ")]

    @property
    def _beside(self) -> list[str]:
        return [name for name in self.found if name not in self.wanted]

    @property
    def faults(self) -> int:
        """How far the file is from this architecture."""
        return len(self.missing) + len(self.reshaped) + len(self.unexpected)

    def name_in_file(self, name: str) -> str:
        """Return a tensor's name as the file has it, or would have it."""
        return self.origin[name] if name in self.origin else self._lost.name_of(name)

    @cached_property
    def _lost(self) -> Lost:
        return Lost(self.candidate.naming, [key for keys in self.origin.values() for key in keys.split(" + ")])


@dataclass(frozen=True)
class Understanding:
    """What a file was found to hold."""

    path: Path
    contents: Contents
    matching: Matching
    others: tuple[str, ...]
    request: Request

    @cached_property
    def container(self) -> str:
        """The dictionaries around the state dict, joined by dots."""
        prefix = self.matching.candidate.prefix
        return next(
            (around for name, around in self.contents.containers.items() if name.startswith(prefix) and around), ""
        )

    @property
    def prefix(self) -> str:
        """What stands before the backbone's names within its state dict."""
        whole = self.matching.candidate.prefix
        return whole.removeprefix(f"{self.container}.") if self.container else whole

    @cached_property
    def allowed(self) -> tuple[str, ...]:
        """What does not match and was let go."""
        one = self.matching
        return tuple(name for name in (*one.missing, *one.reshaped, *one.unexpected) if self._lets_go(name))

    def faults(self) -> list[tuple[str, list[str]]]:
        """Return what does not match and was not let go, by kind."""
        one = self.matching
        kinds = (("missing", one.missing), ("of another shape", one.reshaped), ("unexpected", one.unexpected))
        left = ((label, [name for name in names if name not in self.allowed]) for label, names in kinds)
        return [(label, names) for label, names in left if names]

    def _lets_go(self, name: str) -> bool:
        both = (name, self.matching.name_in_file(name)) if self.request.allow else ()
        return any(fnmatchcase(other, pattern) for pattern in self.request.allow for other in both)

    @cached_property
    def dropped(self) -> dict[str, int]:
        """How many tensors of the file are left out, by the first part of their names behind all wrappers.

        What is neither taken nor allowed nor counted here is an error: nothing is left out in silence.
        """
        prefix, around = self.matching.candidate.prefix, f"{self.container}."
        counts = Counter(f"{self.prefix}{name.partition('.')[0]}" for name in self.matching.left_out)
        for name in self.contents.tensors:
            if not name.startswith(prefix):
                counts[_outside(name, prefix).removeprefix(around)] += 1
        return dict(sorted(counts.items()))

    def describe(self, name: str) -> str:
        """Return a tensor's name, with shapes where these do not fit and the file's own name where it has another."""
        one, text = self.matching, name
        own = one.name_in_file(name)
        if own != name:
            text = f"{own} [{name}]"
        if name in one.reshaped:
            text += f" {_dimensions(one.found[name].shape)} for {_dimensions(one.wanted[name])}"
        return text


def understand(path: Path, request: Request) -> Understanding:
    """Return what a file holds, whether it fits or not; an error where nothing in it is like a backbone."""
    return recognise(path, read_contents(path), request)


def recognise(path: Path, contents: Contents, request: Request) -> Understanding:
    """Return what named tensors are, by their names and shapes alone."""
    given = Architecture.parse(request.arch) if request.arch else None
    found = candidates(contents.tensors)
    if given and (not found or (request.prefix is not None and not asked(found, request.prefix))):
        found = by_names(contents.tensors, shapes_of(str(given)))
    if not found:
        raise _unlike(path, contents)
    chosen = asked(found, request.prefix) if request.prefix is not None else found
    if not chosen:
        raise _no_prefix(path, request.prefix or "", found)
    matching = _best(path, contents, chosen, given)
    if matching is None:
        raise _unlike(path, contents)
    others = _others(found, matching.candidate, contents)
    return Understanding(path, contents, matching, others, request)


def _best(path: Path, contents: Contents, found: Sequence[Candidate], given: Architecture | None) -> Matching | None:
    """Return the likeliest place's match; namings that share their names are tried one after another."""
    place = found[0].prefix
    tried = [_match(path, contents, one, given) for one in found if one.prefix == place]
    return min((one for one in tried if one is not None), key=lambda one: one.faults, default=None)


def _match(path: Path, contents: Contents, candidate: Candidate, given: Architecture | None) -> Matching | None:
    names = inside(candidate.prefix, contents.tensors)
    found, origin = rename(candidate.naming, {name: contents.tensors[whole] for name, whole in names.items()})
    shapes = {name: stored.shape for name, stored in found.items()}
    architecture = given or infer(candidate.naming.family, shapes, _hints(path, candidate, contents))
    if architecture is None:
        return None
    if not given and (ends := candidate.naming.wide_epsilon) and re.fullmatch(f".+_?(?:{ends})", architecture.name):
        architecture = Architecture(architecture.name, {**architecture.options, "bn_eps": 1e-3})
    wanted = shapes_of(str(architecture))
    if given and candidate.naming.family != "vit" and problems(wanted, shapes) == len(wanted):
        return None
    return Matching(candidate, architecture, wanted, found, origin)


def _hints(path: Path, candidate: Candidate, contents: Contents) -> Hints:
    """Return what names around the tensors tell of a ViT: the authors' models differ where shapes do not."""
    clip = "CLIP" in candidate.naming.title
    quick = clip and any(name.rpartition(".")[2] in _QUICK for name in contents.tensors)
    # MoCo v3's small ViT has twelve heads of 32; its file is known by the name of its encoder.
    small = "base_encoder" in candidate.prefix and any(
        stored.shape == (1152, 384) for name, stored in contents.tensors.items() if name.endswith("attn.qkv.weight")
    )
    if "Hugging Face" in candidate.naming.title:
        quick = activation(path) in (None, "quick_gelu")
    return Hints(clip, quick, 12 if small else None)


def _others(found: Sequence[Candidate], chosen: Candidate, contents: Contents) -> tuple[str, ...]:
    """Return where else a backbone lies, but for the same tensors under a second name."""
    own = _places(chosen, contents)
    return tuple(
        dict.fromkeys(
            one.prefix
            for one in found
            if one.prefix != chosen.prefix and not one.rank[0] and _places(one, contents) != own
        )
    )


def _places(one: Candidate, contents: Contents) -> list[tuple[object, ...]]:
    return [contents.tensors[name].place for name in one.names]


def _outside(name: str, prefix: str) -> str:
    """Return the first part of a name that sets it apart from the chosen prefix."""
    parts, chosen = name.split("."), prefix.split(".")
    same = 0
    while same < min(len(parts), len(chosen)) and parts[same] == chosen[same]:
        same += 1
    return ".".join(parts[: same + 1])


def _dimensions(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "a single number"


def _unlike(path: Path, contents: Contents) -> CheckpointError:
    names = list(contents.tensors)
    return CheckpointError(
        f"{path} holds {len(names):,} tensors ({', '.join(map(cut, names[:3]))}{', …' if len(names) > 3 else ''}) "
        "that are of no architecture known here",
        "a ResNet, ViT, ConvNeXt, Swin, EfficientNet or RegNet, under the names of its authors or of timm",
        "name the architecture with --arch NAME (timm's), and where several networks are in the file, --prefix",
    )


def _no_prefix(path: Path, prefix: str, found: Sequence[Candidate]) -> CheckpointError:
    places = list(dict.fromkeys(cut(one.prefix) or "(no prefix)" for one in found))
    return CheckpointError(
        f"{path} has no backbone behind '{prefix}'{did_you_mean(prefix, places)}",
        "a part of one of these: " + ", ".join(places[:8]),
        "correct --prefix, or leave it out",
    )
