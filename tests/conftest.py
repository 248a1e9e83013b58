"""Shared fixtures: where real data lies, and a tree of toy recordings."""

import copy
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with real recordings; tests that need it skip where it is not set."""
    folder = os.environ.get("ASTRODETECT_DATA")
    if not folder:
        pytest.skip("ASTRODETECT_DATA is not set: no real recordings to read")
    if not Path(folder).is_dir():
        pytest.fail(f"ASTRODETECT_DATA = {folder} is no folder")
    return Path(folder)


@pytest.fixture
def through_a_worker() -> Callable[[Any], Any]:
    """What comes back of an object that was sent to a worker process."""

    def send(sent: Any) -> Any:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            return pool.submit(copy.copy, sent).result(timeout=120)

    return send


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch computes in one thread: sums come in one order, and to equal bits."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
