"""A CUDA card through PyCUDA: the one module that knows it."""

from __future__ import annotations

import ctypes
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from astrodetect.cuda.compiler import check_capability, compiled
from astrodetect.cuda.device import Array, CudaError, Device, DeviceMemoryError, Memory
from astrodetect.cuda.launches import Launch


def open_device(ordinal: int = 0) -> PyCudaDevice:
    """Give a card; the same object in all of a process.

    Parameters
    ----------
    ordinal : int
        Number of the card, from 0.

    Raises
    ------
    CudaError
        There is no driver, no PyCUDA, no such card, or it is too old.
    """
    return _opened(ordinal, os.getpid())


@lru_cache(maxsize=16)
def _opened(ordinal: int, process: int) -> PyCudaDevice:
    """Open a card in a process: what a parent opened is of no use after a fork."""
    del process
    return PyCudaDevice(ordinal)


class PyCudaDevice(Device):
    """A card, in its primary context: the one that torch works in, so that pointers can be shared."""

    def __init__(self, ordinal: int) -> None:
        self._driver = _load_driver()
        with _told("the CUDA driver does not start"):
            self._driver.init()
            n_cards = self._driver.Device.count()
        if not 0 <= ordinal < n_cards:
            raise CudaError(f"there is no CUDA device {ordinal}; this computer has {n_cards}")
        with _told(f"CUDA device {ordinal} cannot be used"):
            card = self._driver.Device(ordinal)
            self.name = f"{card.name()} (cuda:{ordinal})"
            self.capability: tuple[int, int] = card.compute_capability()
            check_capability(self.capability, self.name)
            self._context = card.retain_primary_context()
        self._functions: dict[tuple[str, str], Any] = {}
        self._modules: dict[str, Any] = {}
        #: A stream as PyCUDA and as torch know it.
        self._bridge: tuple[Any, Any] | None = None

    @contextmanager
    def active(self) -> Iterator[None]:
        """Make the primary context current, and take it off again."""
        self._context.push()
        try:
            yield
        finally:
            self._driver.Context.pop()

    def allocate(self, n_bytes: int) -> Memory:
        """Take memory of the card."""
        with _told(f"{self.name} gave no memory"):
            return _CardMemory(self._driver.mem_alloc(max(n_bytes, 1)))

    def pinned(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """Give page-locked memory."""
        with _told("the driver gave no page-locked memory"):
            made: Array = self._driver.pagelocked_empty(shape, np.dtype(dtype))
            return made

    def stream(self) -> Any:
        """Give a stream that does not wait for the default one."""
        non_blocking = 1
        return self._driver.Stream(non_blocking)

    def upload(self, target: Any, source: Array, stream: Any = None) -> None:
        """Copy to the card."""
        with _told(f"copying to {self.name} failed"):
            if stream is None:
                self._driver.memcpy_htod(target, source)
            else:
                self._driver.memcpy_htod_async(target, source, stream)

    def download(self, target: Array, source: Any, stream: Any = None) -> None:
        """Copy from the card."""
        with _told(f"copying from {self.name} failed"):
            if stream is None:
                self._driver.memcpy_dtoh(target, source)
            else:
                self._driver.memcpy_dtoh_async(target, source, stream)

    def launch(self, source: str, launch: Launch, stream: Any = None) -> None:
        """Run a kernel, compiled at its first use."""
        function = self._function(source, launch)
        arguments = [0 if value is None else value for value in launch.arguments]
        with _told(f"the kernel {launch.kernel} does not start on {self.name}"):
            function.prepared_async_call(launch.grid, launch.block, stream, *arguments)

    def record(self, stream: Any) -> Any:
        """Record an event without a time."""
        disable_timing = 2
        return self._driver.Event(disable_timing).record(stream)

    def wait(self, stream: Any, event: Any) -> None:
        """Let a stream wait."""
        stream.wait_for_event(event)

    def finish(self, event: Any) -> None:
        """Wait on the host."""
        with _told(f"{self.name} failed"):
            event.synchronize()

    def tensor_pointer(self, tensor: Any) -> int:
        """Give the address of a tensor: torch works in the same context."""
        address: int = tensor.data_ptr()
        return address

    @contextmanager
    def beside(self, tensor: Any) -> Iterator[Any]:
        """Give torch's current stream, or one tied to it by events.

        The default stream needs no name. PyCUDA cannot be given another library's stream, but torch
        can be given PyCUDA's.
        """
        import torch

        current = torch.cuda.current_stream(tensor.device)
        if current.cuda_stream == 0:
            yield None
            return
        if self._bridge is None:
            ours = self.stream()
            self._bridge = (
                ours,
                torch.cuda.ExternalStream(  # type: ignore[no-untyped-call]
                    ours.handle, device=tensor.device
                ),
            )
        ours, theirs = self._bridge
        theirs.wait_stream(current)
        try:
            yield ours
        finally:
            current.wait_stream(theirs)

    def _function(self, source: str, launch: Launch) -> Any:
        key = source, launch.kernel
        if key not in self._functions:
            with _told(f"the kernel {launch.kernel} cannot be loaded"):
                if source not in self._modules:
                    code = compiled(source, self.capability)
                    self._modules[source] = self._driver.module_from_buffer(code)
                function = self._modules[source].get_function(launch.kernel)
            self._functions[key] = function.prepare(launch.types)
        return self._functions[key]


class _CardMemory(Memory):
    def __init__(self, allocation: Any) -> None:
        self._allocation = allocation

    def at(self, offset: int) -> int:
        return int(self._allocation) + offset

    def free(self) -> None:
        self._allocation.free()


def _load_driver() -> Any:
    """Import PyCUDA's driver module.

    The driver library is loaded first, for all to see: a PyCUDA that was built without a card may
    not name it, and what is missing can be told apart.
    """
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise CudaError(f"there is no NVIDIA driver on this computer ({name} was not found)") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pycuda import driver
    except ModuleNotFoundError as error:
        raise CudaError(f'PyCUDA is not installed ({error}); pip install "astrodetect[cuda]"') from error
    except ImportError as error:
        raise CudaError(f"PyCUDA does not fit the installed driver: {error}") from error
    return driver


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn what PyCUDA raises into one line."""
    try:
        yield
    except CudaError:
        raise
    except Exception as error:
        driver = sys.modules.get("pycuda.driver")
        if driver is None or not isinstance(error, driver.Error):
            raise
        kind = DeviceMemoryError if isinstance(error, driver.MemoryError) else CudaError
        raise kind(f"{what}: {error}") from error
