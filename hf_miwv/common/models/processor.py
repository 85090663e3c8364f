"""Which data type this processor multiplies fastest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

BFLOAT16 = ("avx512_bf16", "amx_bf16")  # instructions that multiply bfloat16, as torch names them


def fast_dtype() -> str:
    """Return "bfloat16" where the processor has instructions for it, else "float32".

    Without such instructions torch computes bfloat16 by way of float32, which is slower than float32 itself. Which
    there are, newer versions of torch say, of x86 processors; where torch does not say it, the answer is "float32".

    Returns:
        `str`: A name of `hf_miwv.common.models.models.DTYPES`.
    """
    capabilities: Callable[[], Mapping[str, Any]] = getattr(torch.cpu, "get_capabilities", dict)
    names = capabilities()
    return "bfloat16" if any(names.get(name) for name in BFLOAT16) else "float32"
