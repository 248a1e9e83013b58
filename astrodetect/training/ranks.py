"""Several processes, one GPU each, that train one model together (started by ``torchrun``)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this is.

    Attributes
    ----------
    own, total : int
        0 and 1 for a process by itself.
    """

    own: int = 0
    total: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process evaluates, saves and reports."""
        return self.own == 0

    def average_gradients(self, parameters: Iterable[nn.Parameter], share: float) -> None:
        """Replace each gradient by the sum over the processes, each weighed by its share of the batch."""
        import torch
        import torch.distributed as dist

        if self.total == 1:
            return
        for parameter in parameters:
            if not parameter.requires_grad:
                continue
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            parameter.grad.mul_(share)
            dist.all_reduce(parameter.grad)

    def same_buffers(self, model: nn.Module) -> None:
        """Give every process the running statistics of the first one."""
        import torch.distributed as dist

        if self.total > 1:
            for buffer in model.buffers():
                dist.broadcast(buffer, 0)

    def tell(self, value: Tensor) -> Tensor:
        """Give every process the value of the first one."""
        import torch.distributed as dist

        if self.total > 1:
            dist.broadcast(value, 0)
        return value


@contextmanager
def joined(device: str) -> Iterator[tuple[Ranks, str]]:
    """Join the processes that ``torchrun`` started; a process by itself is alone.

    Yields
    ------
    Ranks, str
        And the device of this process.
    """
    total = int(os.environ.get("WORLD_SIZE", "1"))
    if total == 1:
        yield Ranks(), device
        return
    import torch
    import torch.distributed as dist

    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield Ranks(dist.get_rank(), total), device
    finally:
        dist.destroy_process_group()
