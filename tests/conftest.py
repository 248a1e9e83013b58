"""Shared fixtures: where real data lies, and a tree of toy recordings."""

import os
from pathlib import Path

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
