"""Which device a network runs on."""

import torch

from napari_sam.errors import UserError

CPU = torch.device("cpu")


def choose_device(name: str) -> torch.device:
    """The device of a name.

    Parameters
    ----------
    name
        "auto" (CUDA, else MPS, else the CPU), or what `torch.device` takes.

    Raises
    ------
    UserError
        If there is no such device here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(f"The device {name} cannot be used here; choose auto or cpu.") from error
    return device


def fast_in_bfloat16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16 faster than in float32, as far as we have measured or its maker says.

    On CPUs that is so with tiles (AMX): nano then encodes four times as fast. Without any instructions for bfloat16 it
    takes eight times as long, and with those of AVX-512 alone a quarter longer. On CUDA it is so where the type is
    native, not emulated.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and _has_tiles()


def _has_tiles() -> bool:
    # Newer versions of torch tell in public, those before them in private, the oldest not at all.
    capabilities = getattr(torch.cpu, "get_capabilities", None)
    if capabilities is not None:
        return bool(capabilities().get("amx_bf16", False))
    supported = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return supported is not None and bool(supported())
