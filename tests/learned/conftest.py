"""One thread and fixed seeds: the tests share the machine, and must give the same every time."""

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)
