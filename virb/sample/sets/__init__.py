"""Sample (data): each data set in the layout of its owner, so that the real readers read it."""

from __future__ import annotations

from virb.sample.sets import (
    caltech101,
    cifar100,
    cityscapes,
    clevr,
    coco,
    dtd,
    egohands,
    eurosat,
    imagenet,
    kinetics,
    kitti,
    nuscenes,
    nyu,
    pets,
    sun397,
    taskonomy,
    thor,
)
from virb.sample.sets.writing import Writer

WRITERS: dict[str, Writer] = {
    **dtd.WRITERS,
    **clevr.WRITERS,
    **thor.WRITERS,
    **nyu.WRITERS,
    **taskonomy.WRITERS,
    **sun397.WRITERS,
    **kinetics.WRITERS,
    **cityscapes.WRITERS,
    **kitti.WRITERS,
    **nuscenes.WRITERS,
    **egohands.WRITERS,
    **pets.WRITERS,
    **imagenet.WRITERS,
    **eurosat.WRITERS,
    **cifar100.WRITERS,
    **caltech101.WRITERS,
    **coco.WRITERS,
}
"""Data set name, as task cards say it, to what writes it."""
