"""Encoder: a frozen body with one interface (stage 2: card -> Encoder), and the bodies there are.

Every encoder answers one call with a pooled embedding and, on request, a list of maps from fine to coarse. Heads
and harness never look inside.
"""

from __future__ import annotations

import copy
import hashlib
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from virb.cards.encoder import CheckpointFacts, EncoderCard, Triple
from virb.core.digest import digest
from virb.core.errors import CheckpointError
from virb.core.types import FeatureShape, Level

IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
IMAGENET_STD: Triple = (0.229, 0.224, 0.225)
INTERFACE = 1
"""Raised whenever the same weights would answer differently: it is part of every fingerprint."""

Output = tuple[torch.Tensor, list[torch.Tensor]]


class Encoder(nn.Module):
    """A frozen body with the facts that the harness needs: card, shape, view, fingerprint.

    `body(images, maps)` takes normalised images [N, 3, H, W] and returns pooled [N, D] and maps, each [N, C, h, w].
    """

    def __init__(
        self,
        card: EncoderCard,
        body: nn.Module,
        arch: str,
        mean: Triple,
        std: Triple,
        source: str = "",
        checkpoint: CheckpointFacts | None = None,
    ) -> None:
        super().__init__()
        self.checkpoint = checkpoint
        body.requires_grad_(False)
        self.card, self.arch = card, arch
        self.mean, self.std = card.mean or mean, card.std or std
        self.body = body
        self.eval()
        self.fixed_size = card.size or _fixed_size(body)
        self.patch = _patch(body)
        self.weights_hash = hash_weights(body)
        self.shape, answer = self._measure()
        self.fingerprint = digest(
            {
                "arch": arch,
                "weights": self.weights_hash,
                "mean": self.mean,
                "std": self.std,
                "size": self.fixed_size,
                "interface": INTERFACE,
                # Two modules of one's own can share class and weights and still compute different things.
                "answer": answer if isinstance(body, ModuleBody) else "",
            }
            | ({"source": source} if source else {})
        )

    @property
    def model(self) -> nn.Module | None:
        """The model itself, for heads that train a copy of a part of it; none where the body is no library's."""
        return getattr(self.body, "model", None)

    def train(self, mode: bool = True) -> Encoder:
        """Stay in eval mode: a frozen encoder whose BatchNorm moves is another encoder."""
        return super().train(False)

    def forward(self, images: torch.Tensor, maps: bool = False) -> Output:
        """Return pooled [N, D] and, when asked for, the maps from fine to coarse."""
        pooled, levels = self.body(images, maps)
        return pooled, levels

    def resolve_size(self, wanted: int) -> int:
        """Return the pixel size this encoder takes for a wanted one: its only one, or a multiple of its patch."""
        if self.fixed_size:
            return self.fixed_size
        return max(1, round(wanted / self.patch)) * self.patch

    @torch.inference_mode()
    def levels(self, size: int) -> tuple[Level, ...]:
        """Return the maps' shapes, fine to coarse, for pictures of this size; none where it has no maps."""
        device = next((tensor.device for tensor in self.parameters()), torch.device("cpu"))
        maps = self(torch.zeros(1, 3, size, size, device=device), maps=True)[1]
        return tuple(Level(*level.shape[1:]) for level in maps)

    @torch.inference_mode()
    def _measure(self) -> tuple[FeatureShape, str]:
        """Return the shape of the outputs, and a digest of them for one fixed noisy picture."""
        size = self.resolve_size(96)
        noise = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
        device = next((tensor.device for tensor in self.parameters()), torch.device("cpu"))
        try:
            pooled, maps = self(noise.to(device), maps=True)
        except Exception as error:  # a stranger's code may fail in any way
            raise CheckpointError(
                f"encoder {self.card.name} ({self.arch}) cannot encode one {size} x {size} image: {error}",
                "a module that takes normalised images [N, 3, H, W]",
                "give the card a 'size' that the architecture accepts, or choose another architecture",
            ) from error
        levels = tuple((level.shape[1], max(1, round(size / level.shape[-1]))) for level in maps)
        rounded = [
            [float(f"{number:.4g}") for number in output.float().flatten()[:4096].tolist()]
            for output in (pooled, *maps)
        ]
        answer = digest([repr(number) for numbers in rounded for number in numbers])
        return FeatureShape(pooled.shape[1], levels), answer


class TimmBody(nn.Module):
    """Any timm model: `forward_intermediates` gives everything in one forward."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model: Any = model
        reductions = [stage["reduction"] for stage in model.feature_info]
        count = len(reductions)
        # A plain vision transformer lists every block at one stride: four evenly spaced ones stand for it.
        flat = count > 5 and len(set(reductions)) == 1
        self.levels = [(step * count) // 4 - 1 for step in range(1, 5)] if flat else list(range(count))
        self.normalised = flat

    def forward(self, images: torch.Tensor, maps: bool) -> Output:
        """Return the embedding before the classifier, and the maps."""
        if not maps:
            return self.model.forward_head(self.model.forward_features(images), pre_logits=True), []
        final, levels = self.model.forward_intermediates(images, indices=self.levels, norm=self.normalised)
        return self.model.forward_head(final, pre_logits=True), list(levels)


class PixelsBody(nn.Module):
    """Known-answer floor: the picture itself on a 16 x 16 grid."""

    def forward(self, images: torch.Tensor, maps: bool) -> Output:
        """Return 768 averaged pixel values, and the averaged picture at strides 4 to 32."""
        return functional.adaptive_avg_pool2d(images, 16).flatten(1), _pyramid(images) if maps else []


class ColorBody(nn.Module):
    """Known-answer floor: which colours there are, and nothing of where."""

    bins = 4

    def forward(self, images: torch.Tensor, maps: bool) -> Output:
        """Return the joint histogram of 4 x 4 x 4 colours, and the averaged picture at strides 4 to 32."""
        levels = (images.clamp(0, 1) * self.bins).long().clamp_(max=self.bins - 1)
        codes = (levels[:, 0] * self.bins + levels[:, 1]) * self.bins + levels[:, 2]
        counts = images.new_zeros(len(images), self.bins**3)
        counts.scatter_add_(1, codes.flatten(1), torch.ones_like(codes.flatten(1), dtype=images.dtype))
        return counts / codes[0].numel(), _pyramid(images) if maps else []


class ModuleBody(nn.Module):
    """A module of the user's own: what it returns is the embedding; a map is averaged over its pixels."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: torch.Tensor, maps: bool) -> Output:
        """Return [N, D]; maps only where the module returns one."""
        output = self.module(images)
        if not isinstance(output, torch.Tensor) or output.ndim not in (2, 4) or len(output) != len(images):
            found = getattr(output, "shape", type(output).__name__)
            raise ValueError(f"it returned {found} for images {tuple(images.shape)}, not [N, D] or [N, C, h, w]")
        if output.ndim == 2:
            return output, []
        return output.mean((2, 3)), [output] if maps else []


def _pyramid(images: torch.Tensor) -> list[torch.Tensor]:
    return [functional.avg_pool2d(images, stride, ceil_mode=True) for stride in (4, 8, 16, 32)]


def from_module(card: EncoderCard, module: nn.Module, source: str = "") -> Encoder:
    """Return an encoder around a module of the user's own; a timm model keeps its full interface.

    `source` is the digest of the code that made it, where that is known: part of the fingerprint.
    """
    arch = f"{type(module).__module__}.{type(module).__qualname__}"
    if isinstance(module, Encoder):
        return module
    mean, std = statistics(module)
    module = copy.deepcopy(module)  # freezing is ours to do, and must not reach back to the caller
    body = TimmBody(module) if hasattr(module, "forward_intermediates") else ModuleBody(module)
    return Encoder(card, body, arch, mean, std, source)


@torch.no_grad()
def hash_weights(module: nn.Module) -> str:
    """Return a hash of every tensor's name, type, shape and bytes."""
    state = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        value = tensor.detach().cpu().contiguous()
        state.update(f"{name}|{value.dtype}|{tuple(value.shape)}|".encode())
        state.update(value.reshape(-1).view(torch.uint8).numpy() if value.numel() else b"")
    return state.hexdigest()


def statistics(model: nn.Module) -> tuple[Triple, Triple]:
    """Return the mean and deviation that a model of timm's was trained with."""
    facts = getattr(model, "pretrained_cfg", None) or {}
    return tuple(facts.get("mean", IMAGENET_MEAN)), tuple(facts.get("std", IMAGENET_STD))


def _fixed_size(body: nn.Module) -> int | None:
    """Return the only size a body takes, where its patch embedding insists on one."""
    embed = _patch_embed(body)
    return int(embed.img_size[0]) if embed is not None and embed.strict_img_size and embed.img_size else None


def _patch(body: nn.Module) -> int:
    embed = _patch_embed(body)
    return int(embed.patch_size[0]) if embed is not None else 1


def _patch_embed(body: nn.Module) -> Any:
    return next((module for module in body.modules() if hasattr(module, "strict_img_size")), None)
