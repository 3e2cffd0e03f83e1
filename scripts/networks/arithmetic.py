"""What must hold for the same inputs to give the same bits, and to give them fast on a CPU."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable

import torch


def exact_arithmetic(threads: int) -> None:
    """Pin the thread count (it changes the last bits) and allow deterministic algorithms only.

    Call it before anything is computed; CUDA reads its workspace setting when it starts.
    """
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    os.environ["MKL_DYNAMIC"] = "FALSE"
    torch.set_num_threads(threads)
    # what use_deterministic_algorithms(True) does for eager code; that one also imports the whole compiler,
    # some seconds
    torch.set_deterministic_debug_mode("error")
    # no operation here reads memory that it has not written, and filling it first costs a tenth of a step
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Let glibc keep large freed blocks, so that each step doesn't fault its activations in again (8-38 %
    faster).
    """
    m_trim_threshold, m_top_pad, m_mmap_max = -1, -2, -4  # names of glibc's malloc.h
    with contextlib.suppress(OSError, AttributeError):  # another C library has no mallopt
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        mallopt(m_mmap_max, 0)
        mallopt(m_trim_threshold, 2**31 - 1)
        mallopt(m_top_pad, 256 * 2**20)


def compiled(network: Callable) -> Callable:
    """``network``, or a method of one, as one graph compiled by TorchInductor; it shares the weights, so the
    network itself is trained.

    A part that can't be compiled is an error, never run uncompiled. No kernel is chosen by measuring its
    speed, since another choice gives other bits.
    """
    import torch._inductor.config as inductor

    inductor.deterministic = True
    return torch.compile(network, fullgraph=True, dynamic=False)


def has_bf16() -> bool:
    """Whether oneDNN, which computes PyTorch's convolutions on a CPU, has bf16 on this one; elsewhere PyTorch
    imitates it.
    """
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that the processor's or the GPU's memory is used up."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    signs = ("out of memory", "allocate memory", "not enough memory", "ALLOC_FAILED", "bad_alloc")
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager:
    """bf16 mixed precision, or plain fp32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
