"""Encode: images to features (stage 3). One decode and one encoder pass per image, whatever number of tasks want it.

Decoding and resizing end in uint8; normalisation, precision and memory layout happen on the device. Chunk
boundaries are fixed, because the last bits of a convolution depend on the shape of its batch.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

import torch
from torch import nn

from virb.core.errors import NumericsError
from virb.core.types import Images, Level, Numerics, View
from virb.data.images import decoded
from virb.encode.encoder import Encoder, ModuleBody, Output
from virb.encode.folding import fold_batch_norms

log = logging.getLogger(__name__)

_CPU_PIXELS = 8 * 224 * 224
"""Per chunk on a CPU: larger batches spend a quarter of their time in page faults (measured)."""
_GPU_CHUNK = 256
PRECISIONS = ("auto", "float32", "float16", "bfloat16")


def choose_numerics(device: torch.device, size: int, precision: str = "auto") -> Numerics:
    """Return precision, chunk and layout for a device; half precision only where the hardware has it."""
    if precision == "auto":
        precision = "float16" if device.type == "cuda" else "float32"
    chunk = _GPU_CHUNK if device.type == "cuda" else min(16, max(1, _CPU_PIXELS // size**2))
    return Numerics(device.type, precision, folded=True, chunk=chunk)


def head_precision(numerics: Numerics) -> torch.dtype | None:
    """Return what large heads multiply in: bfloat16 needs no scaled gradients; in full on a CPU, or where asked."""
    return torch.bfloat16 if numerics.device == "cuda" and numerics.precision != "float32" else None


class Pass:
    """An encoder over pictures in one pass: decoded once, encoded in chunks that are filled up to one size.

    An image's features then depend on no neighbour, and a part of a pool gives the bits that the whole gives. The
    encoder itself stays as it is: a copy for fast inference is made when the first chunk needs it.
    """

    def __init__(self, encoder: Encoder, images: Images, device: torch.device, workers: int = 0) -> None:
        self.encoder, self.images, self.device, self.workers = encoder, images, device, workers

    @cached_property
    def body(self) -> nn.Module:
        """The encoder, prepared for this view and device."""
        with _full_precision():
            return prepare(self.encoder, self.images.view, self.device)

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """The levels of the kept maps."""
        every = self.encoder.levels(self.images.view.size) if self.images.kept else ()
        return tuple(every[place] for place in self.images.kept)

    def chunks(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield pooled features [n, D] and the kept maps of an image in one row [n, M], on the CPU, in their order."""
        images = self.images
        for pictures in decoded(images.pool, images.rows, images.view.size, images.numerics.chunk, self.workers):
            pooled, maps = self.encoded(pictures)
            yield pooled.cpu(), pack_maps(maps, len(pictures)).cpu()

    def encoded(self, pictures: torch.Tensor) -> Output:
        """Return pooled features and the kept maps of at most one chunk of pictures, uint8 [n, 3, H, W]."""
        count = len(pictures)
        filled = torch.cat([pictures, pictures[-1:].expand(self.images.numerics.chunk - count, -1, -1, -1)])
        with _full_precision():
            pooled, levels = self._forward(filled)
        _check_finite(pooled[:count], self.encoder)
        return pooled[:count], [levels[place][:count] for place in self.images.kept]

    @torch.inference_mode()
    def _forward(self, pictures: torch.Tensor) -> Output:
        """Return pooled features and maps in float32; where memory does not suffice, half of the images at a time."""
        try:
            return self._forward_once(pictures)
        except torch.OutOfMemoryError:
            if len(pictures) == 1:
                raise
        # Outside the handler, whose traceback would keep the failed pass alive on the device.
        torch.cuda.empty_cache()
        log.warning("out of memory with %d images at a time: going on with half", len(pictures))
        parts = [self._forward(half) for half in torch.split(pictures, -(-len(pictures) // 2))]
        levels = [torch.cat(level) for level in zip(*(part[1] for part in parts), strict=True)]
        return torch.cat([part[0] for part in parts]), levels

    def _forward_once(self, pictures: torch.Tensor) -> Output:
        """Return pooled features and maps in float32; images that overflow half precision are done again in full."""
        numerics, maps = self.images.numerics, bool(self.images.kept)
        inputs = normalise(pictures.to(self.device), self.images.view)
        if not isinstance(getattr(self.body, "body", None), ModuleBody):
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        half = numerics.precision != "float32"
        with torch.autocast(self.device.type, getattr(torch, numerics.precision), enabled=half):
            outputs = [tensor.float() for tensor in _flat(self.body(inputs, maps))]
        lost = torch.stack([~torch.isfinite(output).flatten(1).all(1) for output in outputs]).any(0)
        if half and lost.any():
            for output, whole in zip(outputs, _flat(self.body(inputs, maps)), strict=True):
                output[lost] = whole.float()[lost]
        return outputs[0], outputs[1:]


def pack_maps(levels: list[torch.Tensor], count: int) -> torch.Tensor:
    """Return maps, each [n, C, h, w], as one row of half-precision numbers per image, [n, M].

    Half precision is as fine as features need (the original stored it too) and halves what is read per batch; a
    value beyond its range is cut, not made infinite.
    """
    if not levels:
        return torch.empty(count, 0, dtype=torch.float16)
    limit = torch.finfo(torch.float16).max
    return torch.cat([level.flatten(1).clamp(-limit, limit).half() for level in levels], dim=1)


def unpack_maps(packed: torch.Tensor, levels: Sequence[Level]) -> list[torch.Tensor]:
    """Return the maps [n, C, h, w] in full precision, fine to coarse, from rows [n, M]."""
    parts = torch.split(packed, [level.size for level in levels], dim=1)
    return [
        part.float().view(len(packed), level.channels, level.height, level.width)
        for part, level in zip(parts, levels, strict=True)
    ]


@contextmanager
def _full_precision() -> Iterator[None]:
    """Keep float32 what it says: by default convolutions on a GPU round it to ten bits (TF32)."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def prepare(encoder: Encoder, view: View, device: torch.device) -> nn.Module:
    """Return a copy for fast inference on a device; the encoder itself stays as it is."""
    probe = torch.randn(2, 3, view.size, view.size, generator=torch.Generator().manual_seed(0))
    folded = fold_batch_norms(copy.deepcopy(encoder).to(device), probe)
    # A module of the user's own may count on contiguous maps; timm's models run faster the other way.
    return folded if isinstance(encoder.body, ModuleBody) else folded.to(memory_format=torch.channels_last)


def _flat(output: Output) -> list[torch.Tensor]:
    return [output[0], *output[1]]


def normalise(images: torch.Tensor, view: View) -> torch.Tensor:
    """Return float images with the view's mean taken off and divided by its deviation."""
    mean = torch.tensor(view.mean, device=images.device)[:, None, None] * 255
    std = torch.tensor(view.std, device=images.device)[:, None, None] * 255
    # In place: fresh memory for each step would cost more than the arithmetic.
    return images.to(torch.float32, copy=True).sub_(mean).div_(std)


def _check_finite(pooled: torch.Tensor, encoder: Encoder) -> None:
    if not torch.isfinite(pooled).all():
        bad = int((~torch.isfinite(pooled)).any(1).sum())
        raise NumericsError(
            f"encoder {encoder.card.name} returned NaN or infinity for {bad} of {len(pooled)} images",
            "finite features",
            "check the checkpoint's weights and the mean and std of its card",
        )
