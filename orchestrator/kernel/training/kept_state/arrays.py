"""Arrays of numpy and tensors of torch as raw bytes with dtype and shape; neither library is imported to write them."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from orchestrator.kernel.training.kept_state.objects.program import module_of


class NotAnArray(Exception):
    """The bytes of this array do not hold its values."""


def is_array(value: Any) -> bool:
    """Whether it is a numpy array, a numpy scalar or a torch tensor."""
    return _is_tensor(value) or (
        module_of(type(value)).partition(".")[0] == "numpy" and all(hasattr(value, name) for name in _OF_NUMPY)
    )


def is_numpy_scalar(value: Any) -> bool:
    """Whether it is a single number of numpy, which cannot be changed in place."""
    return is_array(value) and not _is_tensor(value) and not hasattr(value, "__setitem__")


def holds_objects(value: Any) -> bool:
    """Whether it is a plain numpy array of Python objects."""
    return not _is_tensor(value) and type(value) is sys.modules["numpy"].ndarray and value.dtype.hasobject


def build_objects(items: list[Any], shape: list[int]) -> Any:
    """A numpy array of Python objects."""
    numpy = importlib.import_module("numpy")
    made = numpy.empty(len(items), dtype=object)
    for index, item in enumerate(items):  # a list would become a further axis
        made[index] = item
    return made.reshape(shape)


def describe(value: Any) -> tuple[dict[str, Any], bytes]:
    """JSON description and bytes.

    Raises:
        NotAnArray: The array holds Python objects, is sparse, masked, or of a subclass.
    """
    return _describe_tensor(value) if _is_tensor(value) else _describe_numpy(value)


def build(node: dict[str, Any], content: bytes, current: Any) -> Any:
    """The array of a description: `current` with new values if it has this dtype and shape, else a new one.

    Raises:
        ValueError: The library of the array is not installed.
    """
    try:
        return _build_tensor(node, content, current) if node["is"] == "tensor" else _build_numpy(node, content, current)
    except ModuleNotFoundError as fault:
        raise ValueError(f"the checkpoint holds arrays of {fault.name}, which is not installed") from fault


def memory_of(value: Any) -> tuple[int, int, int, int] | None:
    """Addresses in bytes: of the whole memory, of the array's first number, of its lowest and behind its highest.

    Two arrays with overlapping addresses change together. None for an array that is empty or not in main memory.
    """
    tensor = _is_tensor(value)
    if 0 in value.shape or (tensor and value.device.type != "cpu"):
        return None
    if tensor:
        size, steps = value.element_size(), [one * value.element_size() for one in value.stride()]
        whole, first = value.untyped_storage().data_ptr(), value.data_ptr()
    else:
        size, steps, owner = value.itemsize, value.strides, value
        while isinstance(owner.base, type(value)):
            owner = owner.base
        whole, first = owner.__array_interface__["data"][0], value.__array_interface__["data"][0]
    reach = [step * (count - 1) for step, count in zip(steps, value.shape, strict=True)]
    return whole, first, first + sum(min(0, one) for one in reach), first + sum(max(0, one) for one in reach) + size


def is_part(value: Any, whole: Any, shares: list[Any]) -> bool:
    """Whether a value is this part of another array: distance in bytes and strides are those of a description."""
    if not is_array(value) or not is_array(whole):
        return False
    one, other = memory_of(value), memory_of(whole)
    near = one is not None and other is not None and one[0] == other[0] and one[1] - other[1] == shares[1]
    return near and strides_of(value) == shares[2]


def strides_of(value: Any) -> list[int]:
    """Strides of an array in bytes, of a tensor in numbers."""
    return list(value.stride() if _is_tensor(value) else value.strides)


def view(node: dict[str, Any], whole: Any) -> Any:
    """The array of a description as a part of another array, None if it cannot be one."""
    offset, strides = node["shares"][1:]
    if _is_tensor(whole):
        return _view_of_tensor(node, whole)
    numpy = sys.modules.get("numpy")
    if numpy is None or type(whole) is not numpy.ndarray or node["is"] != "array" or not whole.flags.c_contiguous:
        return None
    try:
        return numpy.ndarray(node["shape"], node["dtype"], buffer=whole, offset=offset, strides=strides)
    except (ValueError, TypeError):  # it reaches beyond the other one
        return None


def _view_of_tensor(node: dict[str, Any], whole: Any) -> Any:
    offset, strides = node["shares"][1:]
    size, same = whole.element_size(), str(whole.dtype).removeprefix("torch.") == node.get("dtype")
    if node["is"] != "tensor" or not same or offset % size or node["parameter"] or node["requires_grad"]:
        return None
    try:
        return whole.detach().as_strided(node["shape"], strides, whole.storage_offset() + offset // size)
    except RuntimeError:  # it reaches beyond the other one
        return None


_OF_NUMPY = ("dtype", "shape", "tobytes")


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and hasattr(torch, "Tensor") and isinstance(value, torch.Tensor)


def _describe_numpy(value: Any) -> tuple[dict[str, Any], bytes]:
    dtype = value.dtype
    if dtype.hasobject:
        raise NotAnArray("an array of Python objects; use numbers, or a list")
    numpy = sys.modules["numpy"]
    if isinstance(value, numpy.ndarray) and type(value) is not numpy.ndarray:
        raise NotAnArray(f"an array of type {type(value).__qualname__}; keep numpy.asarray of it")
    if dtype.names is not None or dtype.kind == "V":
        raise NotAnArray(f"an array of dtype {dtype}; keep one plain array for each field")
    described = {
        "is": "array",
        "dtype": dtype.str,
        "shape": list(value.shape),
        "order": _order(value),
        "scalar": is_numpy_scalar(value),
    }
    return described, value.tobytes()


def _order(value: Any) -> str | list[int]:
    """Order in memory: `C`, `F`, or the axes from the outermost. Sums over another order may round otherwise."""
    if value.flags.c_contiguous:
        return "C"
    if value.flags.f_contiguous:
        return "F"
    axes = sorted(range(value.ndim), key=lambda axis: -abs(value.strides[axis]))
    return "C" if axes == sorted(axes) else "F" if axes == sorted(axes, reverse=True) else axes


def _build_numpy(node: dict[str, Any], content: bytes, current: Any) -> Any:
    numpy = importlib.import_module("numpy")
    dtype = numpy.dtype(node["dtype"])
    if dtype.itemsize == 0:  # an empty text
        made = numpy.zeros(node["shape"], dtype)
    else:
        made = numpy.frombuffer(content, dtype).reshape(node["shape"])
    if node["scalar"]:
        return made[()]
    fits = isinstance(current, numpy.ndarray) and current.shape == made.shape and current.dtype == made.dtype
    if fits and current.flags.writeable and _order(current) == node["order"]:
        current[...] = made
        return current
    if isinstance(node["order"], str):
        return made.copy(order=node["order"])
    outer = made.transpose(node["order"]).copy(order="C")
    return outer.transpose(numpy.argsort(node["order"]))


def _describe_tensor(value: Any) -> tuple[dict[str, Any], bytes]:
    torch = sys.modules["torch"]
    if value.layout is not torch.strided or value.is_quantized or value.device.type == "meta":
        raise NotAnArray("a sparse, quantized or empty-device tensor; keep a dense one")
    flat = value.detach().resolve_conj().resolve_neg().cpu().contiguous().reshape(-1)
    octets = flat.view(torch.uint8)  # numpy has no bfloat16, and every dtype has bytes
    content = octets.numpy().tobytes() if "numpy" in sys.modules else bytes(octets.tolist())
    described = {
        "is": "tensor",
        "dtype": str(value.dtype).removeprefix("torch."),
        "shape": list(value.shape),
        "device": value.device.type,
        "parameter": isinstance(value, torch.nn.Parameter),
        "requires_grad": bool(value.requires_grad),
    }
    strides = _own_strides(value)
    return {**described, **({"strides": strides} if strides else {})}, content


def _own_strides(value: Any) -> list[int] | None:
    """Strides of a tensor that fills its memory in another order, e.g. `channels_last`; None for any other tensor."""
    expected = 1
    for stride, size in sorted(one for one in zip(value.stride(), value.shape, strict=True) if one[1] != 1):
        if stride != expected:
            return None
        expected *= size
    return None if value.is_contiguous() else list(value.stride())


def _build_tensor(node: dict[str, Any], content: bytes, current: Any) -> Any:
    torch = importlib.import_module("torch")
    dtype = getattr(torch, node["dtype"])
    made = torch.empty(node["shape"], dtype=dtype)
    if content:
        made = torch.frombuffer(bytearray(content), dtype=torch.uint8).view(dtype).reshape(node["shape"]).clone()
    if node.get("strides"):
        made = torch.empty_strided(node["shape"], node["strides"], dtype=dtype).copy_(made)
    fits = isinstance(current, torch.Tensor) and current.shape == made.shape and current.dtype == dtype
    if fits and 0 not in current.stride():  # an expanded tensor has one number at several places
        with torch.no_grad():
            current.copy_(made)
        return current
    if node["device"] == "cuda" and torch.cuda.is_available():
        made = made.cuda()
    if node["parameter"]:
        return torch.nn.Parameter(made, requires_grad=node["requires_grad"])
    return made.requires_grad_(True) if node["requires_grad"] else made
