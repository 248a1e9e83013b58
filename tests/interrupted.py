"""Trainings that are stopped half-way and go on, and one that nobody stopped: equal to the last bit."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from astrodetect.training.state import read_state
from astrodetect.training.trainer import Trainer


class StoppedError(Exception):
    pass


class StopAt:
    """Stops a training in the middle of an epoch, after its state was saved."""

    def __init__(self, epoch: int, step: int) -> None:
        self.place = (epoch, step)

    def step(self, at: Any, steps: int) -> None:
        if (at.epoch, at.step) == self.place:
            raise StoppedError

    def epoch(self, row: Any) -> None:
        pass


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def assert_same_states(one: Path, other: Path) -> None:
    assert_same(read_state(one / "state.safetensors")[0], read_state(other / "state.safetensors")[0])


def train_whole_and_in_pieces(whole: Any, pieces: Any) -> None:
    """Train by one plan in one go, and by the other in three, stopped twice within an epoch."""
    Trainer(whole).run()
    for place in ((0, 2), (1, 3)):
        with pytest.raises(StoppedError):
            Trainer(pieces, report=StopAt(*place)).run(resume=True)
    Trainer(pieces).run(resume=True)


def train_whole_and_killed(training: Path, whole: Path, killed: Path) -> None:
    """Train by the command in one go, and in two, of which SIGKILL ends the first."""
    command = [sys.executable, "-m", "astrodetect", "train", str(training), "--device", "cpu", "--out"]
    subprocess.run([*command, str(whole)], check=True, capture_output=True)
    started = subprocess.Popen([*command, str(killed)], stderr=subprocess.DEVNULL)
    while not (killed / "state.safetensors").exists():
        assert started.poll() is None, "the training ended before it could be killed"
        time.sleep(0.01)
    started.send_signal(signal.SIGKILL)
    started.wait()
    subprocess.run([*command, str(killed), "--resume"], check=True, capture_output=True)
