"""The floating-point type of a training step's large products, and the loss scale it needs."""

from __future__ import annotations

import torch

from ponytaco.config import ConfigError


def product_dtype(name: str, device: torch.device) -> torch.dtype:
    """Return the type that a setting means on a device.

    'auto' is float32 on a CPU, bfloat16 on a GPU whose hardware has it (compute capability 8.0 and
    newer), and float16 on an older one, such as Colab's T4.

    Args:
        name: 'auto', 'float32', 'bfloat16' or 'float16'.
        device: where the products run.
    """
    if name != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[
            name
        ]
    if device.type != "cuda":
        return torch.float32
    # torch's own is_bf16_supported also counts emulation, which is slower than float16.
    has_bfloat16 = torch.cuda.get_device_capability(device) >= (8, 0)
    return torch.bfloat16 if has_bfloat16 else torch.float16


def require_trainable(name: str, device: torch.device) -> None:
    """Refuse float16 on a CPU, where oneDNN has no LSTM in float16 at some sizes.

    Args:
        name: the setting, as for ``product_dtype``.
        device: where training would run.

    Raises:
        ConfigError: if the device cannot train in this type.
    """
    if name == "float16" and device.type == "cpu":
        raise ConfigError("precision float16 needs a GPU. Use bfloat16 or float32 on a CPU.")


def grad_scaler(dtype: torch.dtype, device: torch.device) -> torch.amp.GradScaler:
    """Return a loss scaler, which keeps float16's small gradients from underflowing to zero.

    It does nothing for the other types.
    """
    return torch.amp.GradScaler(device.type, enabled=dtype is torch.float16)
