"""The trainer: one loop for every model, whatever it learns from."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import nn

from astrodetect.core.errors import AstrodetectError
from astrodetect.training.logs import TensorBoard, write_history
from astrodetect.training.optimisation import MovingAverage, clip_parts, parameter_groups, rate, set_rates
from astrodetect.training.ranks import Ranks
from astrodetect.training.state import (
    optimizer_tensors,
    read_state,
    restore_model,
    restore_optimizer,
    write_state,
)

if TYPE_CHECKING:
    from astrodetect.training.task import Plan, Task

#: Figures that are better when smaller.
_FALLING = ("loss",)
MODEL, STATE, HISTORY = "model.safetensors", "state.safetensors", "history.csv"


@dataclass
class Position:
    """Where a training is: everything but the tensors, as it is saved.

    Attributes
    ----------
    epoch, step : int
        The next epoch, and the next step in it.
    best, best_epoch : float or None, int
        Best value of the monitored figure, and its epoch (counted from 1).
    loss, images : float, int
        Sum of the training loss over the images of this epoch so far.
    seconds, cpu_seconds : float
        Spent on training and validation, over all resumptions, by the clock and by the processor.
    history : list of dict
        The rows of the learning curve.
    """

    epoch: int = 0
    step: int = 0
    best: float | None = None
    best_epoch: int = 0
    loss: float = 0.0
    images: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    averaged: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    stopped: str = ""


class _Clock:
    """Adds the time since it was made to a position, as often as it is asked to."""

    def __init__(self, at: Position) -> None:
        self.at = at
        self.before = at.seconds, at.cpu_seconds
        self.started = time.monotonic(), time.process_time()

    def tell(self) -> None:
        """Bring the position up to date."""
        self.at.seconds = self.before[0] + time.monotonic() - self.started[0]
        self.at.cpu_seconds = self.before[1] + time.process_time() - self.started[1]


class Report(Protocol):
    """Who is told how a training goes on."""

    def step(self, at: Position, steps: int) -> None:
        """Hear of a step; an epoch has so many."""

    def epoch(self, row: dict[str, Any]) -> None:
        """Hear of the figures of an epoch."""


class Trainer:
    """Trains the model of a plan.

    Parameters
    ----------
    plan : Plan
        What to train, on what, and how.
    device : str
        A torch device.
    report : Report, optional
        Is told of every step and every epoch.
    ranks : Ranks
        Which process this is, where several train together.
    task : Task, optional
        Instead of that of the plan: one with other images, say.

    Notes
    -----
    Random numbers depend on seed, epoch and step alone. So a training that was killed goes on from
    its last saved state to the same weights as one that was not.
    """

    def __init__(
        self,
        plan: Plan,
        device: str = "cpu",
        report: Report | None = None,
        ranks: Ranks = Ranks(),  # noqa: B008
        task: Task | None = None,
    ) -> None:
        how = self.how = plan.train
        self.plan, self.device, self.ranks = plan, torch.device(device), ranks
        self.report = report
        self.task = task or plan.task()
        torch.manual_seed(how.seed)
        # Channels last: convolutions of bfloat16 take a third of the time on a processor.
        self.model = self.task.start().to(self.device)
        if not any(isinstance(module, nn.Conv3d) for module in self.model.modules()):
            self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        frozen = plan.transfer.freeze
        groups = parameter_groups(self.model, "scorer.", how.weight_decay, frozen, plan.transfer.tune_rate)
        self.optimizer = torch.optim.AdamW(groups, lr=how.learning_rate)
        self.average = MovingAverage(self.model, how.average) if how.average else None
        half = how.precision == "float16" and self.device.type == "cuda"
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=half)
        self.at = Position()

    def run(self, resume: bool = False) -> Position:
        """Train to the end, or to where it stops early.

        Parameters
        ----------
        resume : bool
            Go on from the saved state, if there is one.

        Returns
        -------
        Position
            With the learning curve.

        Raises
        ------
        AstrodetectError
            The state is of another training, or the loss is no longer a number.
        """
        folder = self.how.out
        folder.mkdir(parents=True, exist_ok=True)
        if resume and (folder / STATE).is_file():
            self._restore(folder / STATE)
        leads = self.ranks.leads
        with closing(TensorBoard(folder, self.how.tensorboard and leads)) as board:
            while self.at.epoch < self.how.epochs and not self.at.stopped:
                self._epoch()
                row = self._validate()
                if leads:
                    board.add(row)
                    write_history(folder / HISTORY, self.at.history)
                    if self.report is not None:
                        self.report.epoch(row)
                    self._save()
        return self.at

    # One epoch -----------------------------------------------------------------------------------

    def _epoch(self) -> None:
        self.task.begin(self.model, self.at.epoch)
        ranks, saved = self.ranks, time.monotonic()
        clock = _Clock(self.at)
        batches = self.task.batches(self.at.epoch, self.at.step, ranks.own, ranks.total)
        for batch in batches:
            loss, images = self._step(batch)
            self.at.loss += loss * images
            self.at.images += images
            self.at.step += 1
            clock.tell()
            now = time.monotonic()
            if self.report is not None:
                self.report.step(self.at, self.task.steps)
            if ranks.leads and now - saved >= 60 * self.how.save_every:
                self._save()
                saved = now
        ranks.same_buffers(self.model)

    def _step(self, batch: Any) -> tuple[float, int]:
        how, done = self.how, self.at.epoch * self.task.steps + self.at.step
        total = how.epochs * self.task.steps
        # Which numbers a step draws depends on its place alone, so that it can be done again.
        torch.manual_seed((how.seed * 1_000_003 + done) * 64 + self.ranks.own)
        set_rates(
            self.optimizer.param_groups,
            how.learning_rate * rate(done, total, how.warmup, how.final_rate),
            self.task.scorer_rate,
        )
        mixed = torch.autocast(self.device.type, getattr(torch, how.precision), how.precision != "float32")
        with mixed:
            loss, images = self.task.loss(self.model, batch, self.device, done)
        if not torch.isfinite(loss):
            raise AstrodetectError(
                f"{self.plan.name}: the loss is not finite in epoch {self.at.epoch + 1}, step "
                f"{self.at.step + 1}; try a lower [train] learning_rate"
            )
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.unscale_(self.optimizer)
        self.ranks.average_gradients(self.model.parameters(), 1 / self.ranks.total)
        clip_parts(self.optimizer, how.clip, how.clip_value)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average is not None:
            self.average.update(self.model)
        return float(loss.detach()), images

    # After an epoch ------------------------------------------------------------------------------

    def _validate(self) -> dict[str, Any]:
        clock = _Clock(self.at)
        value, row = None, {}
        if self.ranks.leads:
            row = self._measure()
            value = row[self.task.monitor]
        self.at.epoch, self.at.step = self.at.epoch + 1, 0
        self.at.loss, self.at.images = 0.0, 0
        if value is not None:
            self._judge(value, row)
            clock.tell()
            row |= {"seconds": self.at.seconds, "cpu_seconds": self.at.cpu_seconds}
            self.at.history.append(row)
        self._agree_to_stop()
        return row

    def _measure(self) -> dict[str, Any]:
        with self._averaged() as model:
            figures = self.task.measure(model, self.device)
        return {
            "epoch": self.at.epoch + 1,
            "train_loss": self.at.loss / max(1, self.at.images),
            **figures,
            "rate": self.optimizer.param_groups[0]["lr"],
        }

    def _judge(self, value: float, row: dict[str, Any]) -> None:
        """Save the model if it is the best so far, and decide whether to stop."""
        falling, best = self.task.monitor in _FALLING, self.at.best
        if best is None or (value < best if falling else value > best):
            self.at.best, self.at.best_epoch = value, self.at.epoch
            with self._averaged() as model:
                self.task.save(model, self.how.out / MODEL, row)
        if self.how.patience and self.at.epoch - self.at.best_epoch >= self.how.patience:
            self.at.stopped = f"no better {self.task.monitor} in {self.how.patience} epochs"
        if self.how.minutes and self.at.seconds >= 60 * self.how.minutes:
            self.at.stopped = f"after {self.how.minutes:g} minutes"

    def _agree_to_stop(self) -> None:
        told = self.ranks.tell(torch.tensor(int(bool(self.at.stopped)), device=self.device))
        if int(told) and not self.at.stopped:
            self.at.stopped = "the first process stopped"

    @contextmanager
    def _averaged(self) -> Iterator[nn.Module]:
        """Give the model with the averaged weights, for as long as the block lasts."""
        if self.average is None:
            yield self.model
            return
        own = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.average.state)
        try:
            yield self.model
        finally:
            self.model.load_state_dict(own)

    # The state on disk ---------------------------------------------------------------------------

    def _save(self) -> None:
        state = {f"model/{name}": value for name, value in self.model.state_dict().items()}
        state |= optimizer_tensors(self.optimizer)
        if self.average is not None:
            self.at.averaged = self.average.steps
            state |= {f"average/{name}": value for name, value in self.average.state.items()}
        facts = {
            "position": asdict(self.at),
            "plan": self.plan.fingerprint(),
            "scaler": self.scaler.state_dict(),
        }
        write_state(self.how.out / STATE, state, facts)

    def _restore(self, path: Path) -> None:
        state, facts = read_state(path)
        other = facts["plan"]
        for table, own in self.plan.fingerprint().items():
            for key in sorted({*own, *other[table]}):
                if own.get(key) != other[table].get(key):
                    raise AstrodetectError(
                        f"{path}: cannot be resumed: [{table}] {key} was {other[table].get(key)!r} and is "
                        f"{own.get(key)!r} now; expected the same training file"
                    )
        restore_model(self.model, state, "model/", path)
        restore_optimizer(self.optimizer, state)
        self.scaler.load_state_dict(facts["scaler"])
        self.at = Position(**facts["position"])
        if not (self.at.stopped.startswith("no better") or self.at.epoch >= self.how.epochs):
            self.at.stopped = ""
        if self.average is not None:
            average = {n.removeprefix("average/"): v for n, v in state.items() if n.startswith("average/")}
            self.average.load(average, self.at.averaged)
