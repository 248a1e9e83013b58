"""What ``astrodetect train`` does: train, and say how it went."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from astrodetect.core.errors import AstrodetectError, StoppedError
from astrodetect.training.config import read_plan, read_training
from astrodetect.training.logs import read_history
from astrodetect.training.ranks import joined
from astrodetect.training.task import Plan
from astrodetect.training.trainer import HISTORY, MODEL, STATE, Position, Trainer


class _Bar:
    """A bar over the steps of an epoch on a terminal, and a line at the end of each epoch."""

    def __init__(self, quiet: bool) -> None:
        from tqdm import tqdm

        self.quiet = quiet
        hidden = quiet or not sys.stderr.isatty()
        self.bar: Any = tqdm(unit="step", disable=hidden, leave=False, file=sys.stderr)

    def step(self, at: Position, steps: int) -> None:
        """Move the bar."""
        self.bar.total = steps
        self.bar.set_description(f"epoch {at.epoch + 1}", refresh=False)
        self.bar.set_postfix_str(f"loss {at.loss / max(1, at.images):.4f}", refresh=False)
        self.bar.update(at.step - self.bar.n)

    def epoch(self, row: dict[str, Any]) -> None:
        """Say how an epoch went."""
        self.bar.reset()
        if not self.quiet:
            self.bar.write(epoch_text(row), file=sys.stderr)

    def close(self) -> None:
        """Take the bar away."""
        self.bar.close()


def epoch_text(row: dict[str, Any]) -> str:
    """Give a line on an epoch: the figures of the validation split that its task knows."""
    apart = ("epoch", "train_loss", "rate", "seconds", "cpu_seconds")
    names = {"auc": "AUC", "ap50": "AP50"}
    figures = (f"{names.get(key, key)} {value:.4f}" for key, value in row.items() if key not in apart)
    return (
        f"epoch {row['epoch']}: training loss {row['train_loss']:.4f}; validation {', '.join(figures)}; "
        f"{row['seconds']:.0f} s"
    )


def train(
    path: Path, *, resume: bool, fresh: bool, device: str, out: Path | None, quiet: bool
) -> tuple[Path, Position]:
    """Train what a file describes.

    Parameters
    ----------
    path : Path
        The training file.
    resume, fresh : bool
        Go on from the saved state; or throw away what an earlier training left in the folder.
    device : str
        ``auto``, or a torch device.
    out : Path or None
        Folder instead of ``[train] out``.
    quiet : bool
        No progress.

    Returns
    -------
    Path, Position
        The folder, and where the training ended.

    Raises
    ------
    AstrodetectError
        Mistakes in the file, or the folder holds another training.
    StoppedError
        The disk is full or the folder cannot be written.
    """
    from safetensors import SafetensorError

    plan = read_plan(path)
    plan = plan if out is None else plan.into(out)
    device = resolve(device)
    bar = _Bar(quiet)
    try:
        _prepare(plan, path, resume, fresh)
        plan.prepare(lambda line: None if quiet else print(line, file=sys.stderr))  # noqa: T201
        with joined(device) as (ranks, own):
            trainer = Trainer(plan, own, bar, ranks)
            at = trainer.run(resume)
            if ranks.leads:
                trainer.task.finish(plan.train.out / MODEL, trainer.device)
            return plan.train.out, at
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StoppedError(f"{plan.train.out}: the training cannot be saved: {reason}") from error
    finally:
        bar.close()


def cross(path: Path, n_folds: int, *, grouped: bool, device: str, out: Path | None, quiet: bool) -> str:
    """Cross-validate what a file describes; see `astrodetect.training.cross.cross_validate`.

    Returns
    -------
    str
        The table of figures; also written to ``folds.txt`` and ``folds.csv`` in the folder.
    """
    from astrodetect.training.cross import cross_validate
    from astrodetect.training.tables import figures_text, put, table_csv

    plan = read_training(path)
    plan = plan if out is None else plan.into(out)
    bar = _Bar(quiet)
    try:
        found = cross_validate(
            plan, n_folds, grouped=grouped, device=resolve(device), report=bar,
            tell=lambda line: None if quiet else print(line, file=sys.stderr),  # noqa: T201
        )  # fmt: skip
    finally:
        bar.close()
    text = figures_text(found.runs, found.spread)
    rows = [{"fold": number, **run.figures} for number, run in enumerate(found.runs, start=1)]
    put(plan.train.out / "folds.txt", text)
    put(plan.train.out / "folds.csv", table_csv(rows))
    return text


def resolve(device: str) -> str:
    """Give the torch device that a user means; ``auto`` is a GPU where there is one.

    Raises
    ------
    AstrodetectError
        Torch knows no such device, or it is not there.
    """
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise AstrodetectError(
            f"--device {device}: not there; expected auto, cpu, cuda or what torch knows"
        ) from error
    return device


def _prepare(plan: Plan, path: Path, resume: bool, fresh: bool) -> None:
    """Make the folder, and take care of what an earlier training left there."""
    folder = plan.train.out
    left = [folder / name for name in (STATE, MODEL, HISTORY) if (folder / name).exists()]
    if left and fresh:
        for file in left:
            file.unlink()
    elif left and not resume:
        raise AstrodetectError(
            f"{folder}: holds an earlier training ({left[0].name}); give --resume to go on with it, "
            "--fresh to throw it away, or another folder with --out"
        )
    folder.mkdir(parents=True, exist_ok=True)
    if path.resolve() != (folder / "training.toml").resolve():
        shutil.copyfile(path, folder / "training.toml")


def summary(plan_out: Path, at: Position) -> str:
    """Give what is printed at the end of a training."""
    rows = read_history(plan_out / HISTORY)
    last = rows[-1]
    why = f", stopped {at.stopped}" if at.stopped else ""
    return (
        f"{plan_out / MODEL}: best {at.best:.4f} on the validation split in epoch {at.best_epoch}; "
        f"{int(last['epoch'])} epochs in {at.seconds / 60:.1f} min{why}\n"
    )
