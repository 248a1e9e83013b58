"""What the trainer asks of whoever knows what is to be learnt."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from astrodetect.training.settings import LoopSettings, TransferSettings

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


class Task(ABC):
    """A model, its data, what is minimised and how it is judged."""

    #: Learning rate of the parameters that begin with ``scorer.``, as a multiple.
    scorer_rate: float = 1.0
    #: Figure of `measure` that chooses the epoch to keep and when to stop.
    monitor: str = "loss"

    @property
    @abstractmethod
    def steps(self) -> int:
        """Steps of an epoch."""

    @abstractmethod
    def start(self) -> nn.Module:
        """Give the model to begin with; new weights come from torch's random generator."""

    @abstractmethod
    def begin(self, model: nn.Module, epoch: int) -> None:
        """Prepare the model for an epoch (counted from 0): training mode, and what is held fixed."""

    @abstractmethod
    def batches(self, epoch: int, first: int, rank: int, ranks: int) -> Iterator[Any]:
        """Give the batches of an epoch from step `first` on, of several processes the part of one."""

    @abstractmethod
    def loss(self, model: nn.Module, batch: Any, device: torch.device, step: int) -> tuple[Tensor, int]:
        """Give the loss of a batch, and how many images it holds; `step` counts from the very first."""

    @abstractmethod
    def measure(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Give figures on the validation split, among them the one that is monitored."""

    @abstractmethod
    def save(self, model: nn.Module, path: Path, row: dict[str, Any]) -> None:
        """Write the model with the figures of its epoch."""

    def finish(self, path: Path, device: torch.device) -> None:
        """Add to the best model what is known when the training is over. Given: nothing."""
        del path, device


class Plan(Protocol):
    """A checked training file."""

    @property
    def name(self) -> str:
        """The file, for messages."""

    @property
    def train(self) -> LoopSettings:
        """How it is trained."""

    @property
    def transfer(self) -> TransferSettings:
        """What it begins with."""

    def fingerprint(self) -> dict[str, Any]:
        """Give all settings that the weights depend on, as JSON holds them."""

    def prepare(self, tell: Callable[[str], None]) -> None:
        """Make what the data are read from, if it is not there yet; `tell` gets lines for the user."""

    def task(self) -> Task:
        """Read the data and give what the trainer needs."""
