"""What a device can do, and how it says no."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from astrodetect.core.errors import AstrodetectError
from astrodetect.cuda.launches import Launch

Array = NDArray[Any]


class CudaError(AstrodetectError):
    """There is no usable device, or it failed."""


class DeviceMemoryError(CudaError):
    """The memory of the device does not suffice."""


class Device(ABC):
    """Memory, streams and launches.

    Work in one stream is done in the order in which it was given; `None` is the default stream.
    A pointer, a stream and an event are what the device says they are.
    """

    name: str

    @abstractmethod
    def active(self) -> AbstractContextManager[None]:
        """Make this the device of the calling thread for a while; around everything below."""

    @abstractmethod
    def allocate(self, n_bytes: int) -> Memory:
        """Take memory, on a multiple of 256 bytes.

        Raises
        ------
        DeviceMemoryError
            There is not as much.
        """

    @abstractmethod
    def pinned(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """Give host memory that the device copies without the processor."""

    @abstractmethod
    def stream(self) -> Any:
        """Give a new stream."""

    @abstractmethod
    def upload(self, target: Any, source: Array, stream: Any = None) -> None:
        """Copy a C-ordered array to a pointer.

        With a stream it is done later: `source` is pinned, and stays as it is until then.
        """

    @abstractmethod
    def download(self, target: Array, source: Any, stream: Any = None) -> None:
        """Copy from a pointer to a C-ordered array; with a stream, `target` is pinned."""

    @abstractmethod
    def launch(self, source: str, launch: Launch, stream: Any = None) -> None:
        """Run a kernel of a source text.

        Raises
        ------
        CudaError
            It cannot be compiled or started.
        """

    @abstractmethod
    def record(self, stream: Any) -> Any:
        """Give an event that happens when what was given to the stream is done."""

    @abstractmethod
    def wait(self, stream: Any, event: Any) -> None:
        """Let a stream wait for an event."""

    @abstractmethod
    def finish(self, event: Any) -> None:
        """Wait for an event."""

    @abstractmethod
    def tensor_pointer(self, tensor: Any) -> Any:
        """Give the pointer to the first element of a torch tensor in the memory of this device."""

    @abstractmethod
    def beside(self, tensor: Any) -> AbstractContextManager[Any]:
        """Give a stream whose work comes after what torch was told so far, before what it is told later."""

    def place(self, array: Array) -> tuple[Memory, Array]:
        """Give memory with a copy of an array in it, and the copied C-ordered array."""
        source = np.ascontiguousarray(array)
        memory = self.allocate(source.nbytes)
        try:
            if source.nbytes:
                self.upload(memory.at(0), source)
        except BaseException:
            memory.free()
            raise
        return memory, source


class Memory(ABC):
    """A block of device memory; to be freed, or used as a context."""

    @abstractmethod
    def at(self, offset: int) -> Any:
        """Give the pointer to a byte of it."""

    @abstractmethod
    def free(self) -> None:
        """Give it back."""

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *_: object) -> None:
        self.free()
