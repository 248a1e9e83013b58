"""How a process of the command line treats threads and memory; a library leaves that to its user."""

from __future__ import annotations

import os
import sys

from astrodetect.core.errors import AstrodetectError

#: Parameters of mallopt (malloc.h).
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3


def prepare_process() -> None:
    """Set this process up for work on frames; to be called before NumPy is imported.

    Linear algebra gets one thread: its products are small here, and threads that wait for each other
    busily take the core from the reader. Threads hand the interpreter over within a millisecond: a reader
    needs it for a moment only, but for every frame. Freed memory is kept: a plane that is made anew for every
    window would else be paid by a page fault for every 4096 bytes. What the user has set in the
    environment stays.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.setswitchinterval(0.0005)
    if not sys.platform.startswith("linux") or "GLIBC_TUNABLES" in os.environ:
        return
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc has it, musl has not
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, 32 << 20)
        mallopt(_TRIM_THRESHOLD, 256 << 20)
        mallopt(_TOP_PAD, 16 << 20)


def cuda_cards() -> int:
    """Give the number of CUDA cards that the driver finds; 0 without a driver."""
    import ctypes

    library = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    count = ctypes.c_int(0)
    try:
        driver = ctypes.CDLL(library)
        found = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    except (OSError, AttributeError):
        return 0
    return count.value if found else 0


def resolve_device(device: str) -> str:
    """Give the device that ``auto`` stands for: CUDA where a stage has loaded torch and finds one.

    Raises
    ------
    AstrodetectError
        CUDA is asked for, and there is no card.
    """
    if device.startswith("cuda") and not cuda_cards():
        raise AstrodetectError(f"device {device}: no CUDA card found here; use cpu, or auto")
    if device != "auto":
        return device
    torch = sys.modules.get("torch")
    return "cuda" if torch is not None and torch.cuda.is_available() else "cpu"
