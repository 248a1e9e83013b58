"""Programs that run the kernels on the CPU, built once and kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cuda_shim import Server, build, missing


@pytest.fixture(scope="session")
def programs(request: pytest.FixtureRequest) -> Path:
    """Folder of built programs."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    return Path(request.config.cache.mkdir("cuda-shim"))


@pytest.fixture(scope="session")
def patch_server(programs: Path) -> Iterator[Server]:
    """Run the kernels of ``patches.cu``."""
    server = Server(build(programs, "patches"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def reduction_server(programs: Path) -> Iterator[Server]:
    """Run the kernels of ``reduction.cu``."""
    server = Server(build(programs, "reductions"))
    yield server
    server.close()
