"""The kernels on the CPU: built by g++ with sanitizers, run by a process of their own.

`ShimDevice` stands where a card would: the same launches, every access checked. Its streams are
worked off as late and in as bad an order as their events allow.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from astrodetect.cuda.device import Device, DeviceMemoryError, Memory
from astrodetect.cuda.launches import Launch
from astrodetect.cuda.sources import median_network_source, patches_source, reduction_source

HERE = Path(__file__).parent
FLAGS = [
    *("-std=c++17", "-O1", "-g1", "-fno-strict-aliasing", "-ffp-contract=off", "-rdynamic"),
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
    *("-Wall", "-Wextra", "-Wno-unknown-pragmas", "-Wno-unused-function"),
]
#: Numbers of frames for which the test program has a network, by type of pixel.
NETWORKS = {"uint8": (1, 2, 5, 16), "uint16": (3, 4, 10, 65), "int16": (6, 9)}


def build(folder: Path, kernels: str) -> Path:
    """Build the program that runs ``patches`` or ``reductions``; what is there already is kept."""
    text = patches_source()
    if kernels == "reductions":
        text = reduction_source(10**6, "uint8")
        text += "".join(median_network_source(n, pixel) for pixel, ns in NETWORKS.items() for n in ns)
    parts = [text, *FLAGS, (HERE / "shim.h").read_text(), (HERE / "server.cpp").read_text()]
    program = folder / f"{kernels}-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:16]}"
    if program.exists():
        return program
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        source, made = Path(scratch, "kernels.h"), Path(scratch, "program")
        source.write_text(text, encoding="utf-8")
        command = ["g++", *FLAGS, f"-I{HERE}", f'-DKERNELS="{source}"', str(HERE / "server.cpp")]
        command += ["-DREDUCTIONS"] if kernels == "reductions" else []
        subprocess.run([*command, "-o", str(made), "-ldl"], check=True, capture_output=True, text=True)
        os.replace(made, program)
    return program


def missing() -> str | None:
    """Say what is missing to build it, if anything is."""
    if shutil.which("g++") is None:
        return "g++ is not installed: the kernels cannot be built for the CPU"
    test = "struct half { _Float16 value; }; int main() { return 0; }"
    with tempfile.TemporaryDirectory() as folder:
        command = ["g++", "-std=c++17", "-fsanitize=address,undefined", "-x", "c++", "-", "-o", f"{folder}/a"]
        result = subprocess.run(command, input=test, capture_output=True, text=True, check=False)
    return None if result.returncode == 0 else "g++ lacks half precision or the sanitizers"


class Server:
    """A process that runs kernels."""

    def __init__(self, program: Path) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, env=environment
        )

    def run(self, launch: Launch, *, backwards: bool = False) -> None:
        """Run a launch whose pointers are (uint8 array, offset); buffers are changed in place."""
        name = launch.kernel.encode()
        message = [struct.pack("q", len(name)), name]
        message.append(struct.pack("7q", int(backwards), *launch.grid, *launch.block))
        buffers = []
        for kind, value in zip(launch.types, launch.arguments, strict=True):
            if kind != "P":
                message.append(struct.pack("d" if kind in "fd" else "Q" if kind == "Q" else "q", value))
            elif value is None:
                message.append(struct.pack("2q", -1, 0))
            else:
                buffer, offset = value
                message += [struct.pack("2q", buffer.nbytes, offset), buffer.tobytes()]
                buffers.append(buffer)
        written = buffers[self._first_written(launch) :]
        try:
            self._process.stdin.write(b"".join(message))
            self._process.stdin.flush()
            for buffer in written:
                self._read_into(buffer)
        except (BrokenPipeError, EOFError):
            self._process.wait()
            self._errors.seek(0)
            raise AssertionError(f"{launch.kernel}: {self._errors.read().decode()[:4000]}") from None

    @staticmethod
    def _first_written(launch: Launch) -> int:
        """Give the number of the first buffer that the kernel may write."""
        return 1 if launch.kernel.startswith(("count_", "network_")) else 2

    def _read_into(self, buffer: np.ndarray) -> None:
        data = self._process.stdout.read(buffer.nbytes)
        if len(data) < buffer.nbytes:
            raise EOFError
        buffer[:] = np.frombuffer(data, np.uint8)

    def close(self) -> None:
        """End it."""
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
        self._errors.close()


@dataclass
class _Stream:
    done: int = 0
    work: list[Callable[[], None] | tuple[_Stream, int]] = field(default_factory=list)


class _ShimMemory(Memory):
    def __init__(self, device: ShimDevice, n_bytes: int) -> None:
        self._device, self._bytes = device, np.full(n_bytes, 0xA5, np.uint8)

    def at(self, offset: int) -> tuple[np.ndarray, int]:
        return self._bytes, offset

    def free(self) -> None:
        self._device.used -= len(self._bytes)


class ShimDevice(Device):
    """A device made of the CPU."""

    def __init__(self, server: Server, limit: int = 1 << 40, *, seed: int = 0) -> None:
        self.name = "CPU"
        self.launches: list[Launch] = []
        self.used = self.most_used = 0
        self._server, self._limit = server, limit
        self._random = np.random.default_rng(seed)
        self._streams: list[_Stream] = []

    @contextmanager
    def active(self) -> Iterator[None]:
        yield

    def allocate(self, n_bytes: int) -> Memory:
        if self.used + n_bytes > self._limit:
            raise DeviceMemoryError("out of memory")
        self.used += n_bytes
        self.most_used = max(self.most_used, self.used)
        return _ShimMemory(self, n_bytes)

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        return np.full(shape, 77, dtype)

    def stream(self) -> _Stream:
        self._streams.append(_Stream())
        return self._streams[-1]

    def upload(self, target: Any, source: np.ndarray, stream: Any = None) -> None:
        assert source.flags.c_contiguous

        def copy() -> None:
            memory, offset = target
            data = source.reshape(-1).view(np.uint8)
            assert 0 <= offset <= offset + data.size <= memory.size
            memory[offset : offset + data.size] = data

        self._give(copy, stream)

    def download(self, target: np.ndarray, source: Any, stream: Any = None) -> None:
        assert target.flags.c_contiguous

        def copy() -> None:
            memory, offset = source
            data = target.reshape(-1).view(np.uint8)
            assert 0 <= offset <= offset + data.size <= memory.size
            data[:] = memory[offset : offset + data.size]

        self._give(copy, stream)

    def launch(self, source: str, launch: Launch, stream: Any = None) -> None:
        self.launches.append(launch)
        self._give(lambda: self._server.run(launch, backwards=bool(self._random.integers(2))), stream)

    def record(self, stream: _Stream) -> tuple[_Stream, int]:
        return stream, len(stream.work)

    def wait(self, stream: _Stream, event: tuple[_Stream, int]) -> None:
        stream.work.append(event)

    def finish(self, event: tuple[_Stream, int]) -> None:
        """Work off streams, chosen at random, until the event has happened, and some more."""
        spare = int(self._random.integers(8))
        while event[0].done < event[1] or spare > 0:
            spare -= event[0].done >= event[1]
            ready = [stream for stream in self._streams if self._next(stream) is not None]
            if not ready:
                break
            stream = ready[self._random.integers(len(ready))]
            self._next(stream)()
            stream.done += 1

    def tensor_pointer(self, tensor: Any) -> tuple[np.ndarray, int]:
        """Give the storage of a tensor on the CPU, as bytes of it."""
        import torch

        memory = torch.empty(0, dtype=torch.uint8).set_(tensor.detach().untyped_storage())
        return memory.numpy(), tensor.storage_offset() * tensor.element_size()

    @contextmanager
    def beside(self, tensor: Any) -> Iterator[None]:
        yield None

    def _next(self, stream: _Stream) -> Callable[[], None] | None:
        if stream.done == len(stream.work):
            return None
        work = stream.work[stream.done]
        if not isinstance(work, tuple):
            return work
        other, position = work
        return (lambda: None) if other.done >= position else None

    def _give(self, work: Callable[[], None], stream: _Stream | None) -> None:
        if stream is None:
            work()
        else:
            stream.work.append(work)
