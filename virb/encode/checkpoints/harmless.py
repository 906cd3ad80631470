"""Checkpoints: the names of classes and functions that a pickle may hold; nothing of it is imported or called."""

from __future__ import annotations

import re

# What authors' files hold beside tensors. Nothing of it is imported, so it need not be installed.
MAPPINGS = frozenset(
    """
    collections.OrderedDict collections.defaultdict builtins.dict __builtin__.dict
    easydict.EasyDict yacs.config.CfgNode fvcore.common.config.CfgNode vissl.config.attr_dict.AttrDict
    vissl.utils.hydra_config.AttrDict mmcv.utils.config.ConfigDict addict.addict.Dict
    pytorch_lightning.utilities.parsing.AttributeDict lightning.pytorch.utilities.parsing.AttributeDict
    lightning_fabric.utilities.data.AttributeDict lightning.fabric.utilities.data.AttributeDict
    """.split()
)
_HARMLESS = frozenset(
    """
    argparse.Namespace types.SimpleNamespace collections.Counter collections.deque builtins.set builtins.frozenset
    builtins.list builtins.int builtins.float builtins.str builtins.bool builtins.bytes builtins.tuple builtins.complex
    builtins.bytearray builtins.slice builtins.range builtins.object
    __builtin__.set __builtin__.frozenset __builtin__.list __builtin__.int __builtin__.long __builtin__.float
    __builtin__.str __builtin__.unicode __builtin__.bool __builtin__.tuple __builtin__.bytearray __builtin__.object
    _codecs.encode copy_reg._reconstructor copyreg._reconstructor typing.Any
    datetime.datetime datetime.date datetime.timedelta datetime.timezone decimal.Decimal uuid.UUID
    pathlib.Path pathlib.PosixPath pathlib.WindowsPath pathlib.PurePath pathlib.PurePosixPath pathlib.PureWindowsPath
    pathlib._local.Path pathlib._local.PosixPath pathlib._local.WindowsPath
    numpy.dtype numpy.ndarray numpy.core.multiarray.scalar numpy.core.multiarray._reconstruct
    numpy._core.multiarray.scalar numpy._core.multiarray._reconstruct numpy.core.numeric._frombuffer
    numpy._core.numeric._frombuffer
    torch.Size torch.device torch._C.Generator torch.Generator torch.memory_format
    """.split()
)
_HARMLESS_PATTERN = re.compile(
    r"omegaconf\.(dictconfig\.DictConfig|listconfig\.ListConfig|nodes\.\w+Node|base\.(Container)?Metadata)"
    r"|torch\.(bool|u?int\d+|b?float\d+\w*|half|float|double|long|int|short|complex\d+|strided|contiguous_format"
    r"|per_tensor_affine)|__torch__\.[\w.]+|torch\.jit\._pickle\.build_\w+list|numpy\.dtypes\.\w+"
    r"|torch\.optim\.lr_scheduler\.\w+|torch\.optim\.\w+\.\w+"
)
REBUILD = {
    "torch._utils._rebuild_tensor": 0,
    "torch._utils._rebuild_tensor_v2": 0,
    "torch._utils._rebuild_tensor_v3": 6,
}
"""The functions that torch names for a tensor, and where in their arguments its type stands, if not in its storage."""
PARAMETERS = ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state")
SUBCLASS = "torch._tensor._rebuild_from_type_v2"
STORAGES = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool", "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128", "UntypedStorage": "uint8",
}  # fmt: skip
_TENSORS = (SUBCLASS, "torch.nn.parameter.Parameter", "torch.nn.Parameter", "torch.Tensor")
ALIASES = {"half": "float16", "float": "float32", "double": "float64", "long": "int64", "int": "int32"}


def is_known(dotted: str) -> bool:
    """Tell whether a name may stand in a pickle."""
    module, _, name = dotted.rpartition(".")
    if (module == "torch" and name in STORAGES) or dotted in REBUILD or dotted in PARAMETERS or dotted in _TENSORS:
        return True
    return dotted in MAPPINGS or dotted in _HARMLESS or _HARMLESS_PATTERN.fullmatch(dotted) is not None
