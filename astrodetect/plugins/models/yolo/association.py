"""Which detection unit of a cell answers for which object.

All cells of a batch are dealt with at once: in each round every cell that has an object left gives one to one
of its units, so there are as many rounds as the fullest cell has objects.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from astrodetect.methods.boxes import overlap
from astrodetect.plugins.models.yolo.encoding import compared
from astrodetect.plugins.models.yolo.settings import AssociationSettings, Limits, YoloConfig
from astrodetect.plugins.models.yolo.targets import Targets

#: Locks of a unit: it is told that it is empty, nothing, or what it has to find.
EMPTY, GOOD, MATCHED = 0, 1, 2
#: Distances to priors that differ by less are equal.
_SAME = 1e-3
_NEVER = -torch.inf


@dataclass(frozen=True)
class Association:
    """What units answer for.

    Attributes
    ----------
    lock : (B, d, h, w, P) int8 tensor
        `EMPTY`, `GOOD` (overlaps an object, another unit answers for it) or `MATCHED`.
    units : tuple of five (M,) int64 tensors
        Image, plane, row, column and prior of the units that answer for an object.
    target : (M,) int64 tensor
        The object that each answers for, into the T objects of the batch.
    overlap : (M,) float32 tensor
        How far box and object are the same.
    """

    lock: Tensor
    units: tuple[Tensor, ...]
    target: Tensor
    overlap: Tensor


@dataclass(frozen=True)
class Associator:
    """Associates units with objects, by the settings of a training."""

    config: YoloConfig
    how: AssociationSettings
    limits: Limits

    def __call__(
        self, boxes: Tensor, objectness: Tensor, targets: Targets, stride: Tensor, images_seen: int
    ) -> Association:
        """Associate all units of a batch.

        Parameters
        ----------
        boxes : (B, d, h, w, P, 6) tensor
            Boxes of all units, in pixels; no gradient is kept.
        objectness : (B, d, h, w, P) tensor
            Of all units.
        targets : Targets
            The objects.
        stride : (3,) tensor
            Pixels of a cell in x, y and z.
        images_seen : int
            Images that the training has seen; up to ``random_startup`` units are drawn.

        Returns
        -------
        Association
            More objects in a cell than units: the rest is left out in this step.

        Notes
        -----
        Random numbers come from torch's generator of the processor, whatever the device.
        """
        with torch.no_grad():
            shape = boxes.shape[:-1]
            lock = self.good(boxes, targets).to(torch.int8)
            cell = cells_of(targets, stride, shape[:4])
            found = self._rounds(cell, boxes, objectness, targets, images_seen)
            lock.view(-1)[found.unit] = MATCHED
            overlaps = torch.where(
                targets.class_only[targets.image[found.target]], self.limits.good, found.overlap
            )
            return Association(lock, torch.unravel_index(found.unit, shape), found.target, overlaps)

    def good(self, boxes: Tensor, targets: Targets) -> Tensor:
        """Tell which units (B, d, h, w, P) overlap any object of their image by more than the limit."""
        compare, objects = (compared(all_, self.config.axes) for all_ in (boxes, targets.boxes))
        good = torch.zeros(boxes.shape[:-1], dtype=torch.bool, device=boxes.device)
        flat = good.view(len(good), -1, good.shape[-1])
        for image, of_units in enumerate(compare.flatten(1, 3)):
            own = objects[targets.image == image]
            target, cell = self._near(of_units, own)
            enough = overlap(of_units[cell], own[target][:, None], self.how.overlap) > self.limits.good
            pair, prior = enough.nonzero(as_tuple=True)
            flat[image, cell[pair], prior] = True
        return good

    def _near(self, of_units: Tensor, objects: Tensor) -> tuple[Tensor, ...]:
        """Give the pairs of objects (T, 2 D) and cells of units (cells, P, 2 D) that may overlap enough.

        Where nothing of a cell touches an object no overlap is above 0; that spares nearly all pairs.
        """
        n = objects.shape[-1] // 2
        least, most = of_units[..., :n].amin(1), of_units[..., n:].amax(1)
        near = torch.ones(len(objects), len(of_units), dtype=torch.bool, device=objects.device)
        for axis in range(n if self.limits.good >= 0 else 0):
            near &= least[:, axis] < objects[:, axis + n, None]
            near &= most[:, axis] > objects[:, axis, None]
        return near.nonzero(as_tuple=True)

    # The rounds ----------------------------------------------------------------------------------

    def _rounds(
        self, cell: Tensor, boxes: Tensor, objectness: Tensor, targets: Targets, images_seen: int
    ) -> _Found:
        n_priors, flat = boxes.shape[4], boxes.flatten(0, 3)
        cells, members = by_cell(cell)
        crowd = _Crowd.of(self, flat[cells], members, targets)
        found = []
        for number in range(members.shape[1]):
            if images_seen < self.how.random_startup:
                row, unit, live = crowd.drawn(number)
            else:
                row, unit, live = self._best(crowd)
            live = live.nonzero()[:, 0]
            row, unit = row[live], unit[live]
            crowd.waiting[live, row] = False
            target, amount = members[live, row], crowd.overlap[live, row, unit]
            own = cells[live] * n_priors + unit
            unsure = (amount < self.limits.difficult_overlap) | (
                objectness.reshape(-1)[own] < self.limits.difficult_objectness
            )
            taken = ~(targets.difficult[target] & unsure)
            crowd.free[live[taken], unit[taken]] = False
            found.append(_Found(own[taken], target[taken], amount[taken]))
        return _Found.joined(found, flat)

    def _best(self, crowd: _Crowd) -> tuple[Tensor, Tensor, Tensor]:
        """Give for each cell the object and the unit that overlap most, the unit changed by the rules."""
        n_priors = crowd.free.shape[1]
        table = torch.where(crowd.usable(), crowd.overlap, _NEVER)
        value, best = table.flatten(1).max(dim=1)
        row, unit = best // n_priors, best % n_priors
        at = torch.arange(len(row), device=row.device)
        own, distance = table[at, row], crowd.distance[at, row]

        def among(kind: Tensor, instead: Tensor) -> Tensor:
            """Take the unit of some kind that overlaps most, if one is left."""
            most, chosen = torch.where(kind, own, _NEVER).max(dim=1)
            return torch.where(most > _NEVER, chosen, instead)

        chance = _random((2, len(row)), own.device)
        to_nearest = (value < self.limits.low) | (chance[0] < self.how.nearest_share)
        nearest = among(distance <= distance.amin(1, keepdim=True) + _SAME, unit)
        changed = torch.where(to_nearest, nearest, unit)
        changed = torch.where(crowd.small[at, row], among(crowd.smallest[None], unit), changed)
        drawn, _ = _draw(own > _NEVER)
        return row, torch.where(chance[1] < self.how.random_share, drawn, changed), value > _NEVER


@dataclass(frozen=True)
class _Found:
    """Units, objects and overlaps of what was matched: (M,) each."""

    unit: Tensor
    target: Tensor
    overlap: Tensor

    @staticmethod
    def joined(parts: list[_Found], like: Tensor) -> _Found:
        nothing = torch.zeros(0, dtype=torch.int64, device=like.device)
        parts = [_Found(nothing, nothing, like.new_zeros(0)), *parts]
        return _Found(
            torch.cat([part.unit for part in parts]),
            torch.cat([part.target for part in parts]),
            torch.cat([part.overlap for part in parts]),
        )


@dataclass(frozen=True)
class _Crowd:
    """The N cells that hold objects, at most K each, and their P units; what is left is kept here.

    Attributes
    ----------
    overlap, distance : (N, K, P) tensor
        Of objects with the boxes of units, and with their priors.
    allowed : (N, K, P) bool tensor
        Units that an object may take at all.
    small : (N, K) bool tensor
        Objects that must take one of the smallest priors.
    smallest : (P,) bool tensor
        Which these are.
    waiting : (N, K) bool tensor
        Objects not dealt with.
    free : (N, P) bool tensor
        Units without an object.
    """

    overlap: Tensor
    distance: Tensor
    allowed: Tensor
    small: Tensor
    smallest: Tensor
    waiting: Tensor
    free: Tensor

    @classmethod
    def of(cls, by: Associator, boxes: Tensor, members: Tensor, targets: Targets) -> _Crowd:
        """Gather the tables of cells with the boxes (N, P, 6) and the objects (N, K), -1 for none."""
        config, how = by.config, by.how
        waiting = members >= 0
        objects = compared(targets.boxes[members.clamp_min(0)], config.axes)
        n = config.axes
        sides = objects[..., n:] - objects[..., :n]
        priors = torch.tensor(config.sizes, device=boxes.device, dtype=boxes.dtype)[:, :n]
        distance = prior_distance(sides, priors, config, how)
        volume = priors.prod(1)
        smallest = volume <= volume.min() + _SAME
        least = priors[volume.argmin()]
        return cls(
            overlap=overlap(objects[:, :, None], compared(boxes, n)[:, None], how.overlap),
            distance=distance,
            allowed=nearest_kinds(distance, how.strict),
            small=(sides < how.smallest_scale * least).all(-1),
            smallest=smallest,
            waiting=waiting,
            free=torch.ones(boxes.shape[:2], dtype=torch.bool, device=boxes.device),
        )

    def usable(self) -> Tensor:
        """Tell which pairs (N, K, P) of objects and units are left."""
        return self.allowed & self.waiting[:, :, None] & self.free[:, None]

    def drawn(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        """Give the next object of each cell, a random unit, and whether there are both."""
        usable = self.usable()[:, number]
        unit, any_left = _draw(usable)
        return torch.full_like(unit, number), unit, any_left


def prior_distance(sides: Tensor, priors: Tensor, config: YoloConfig, how: AssociationSettings) -> Tensor:
    """Give how far objects are from priors.

    Parameters
    ----------
    sides : (..., D) tensor
        Of objects, in pixels.
    priors : (P, D) tensor
        Sides of the priors.
    config : YoloConfig
        Its limits of the size cut logarithms off.
    how : AssociationSettings
        ``prior_distance``.

    Returns
    -------
    (..., P) tensor
        ``iou``: 1 less the overlap of boxes about one centre; ``size``: the norm of the difference;
        ``offset``: ``sum |log(side / prior)|``.
    """
    sides = sides[..., None, :]
    if how.prior_distance == "size":
        distance: Tensor = torch.linalg.vector_norm(sides - priors, dim=-1)
        return distance
    if how.prior_distance == "offset":
        _, least, most = config.size
        return torch.log(sides.clamp_min(1e-9) / priors).clamp(least, most).abs().sum(-1)
    centred = torch.cat([-sides / 2, sides / 2], dim=-1), torch.cat([-priors / 2, priors / 2], dim=-1)
    shared: Tensor = overlap(*centred, how.overlap)
    return 1 - shared


def nearest_kinds(distance: Tensor, kinds: int) -> Tensor:
    """Tell which priors (..., P) belong to the so many smallest different distances; 0: all."""
    if kinds == 0:
        return torch.ones_like(distance, dtype=torch.bool)
    in_order, order = distance.sort(dim=-1)
    step = torch.zeros_like(order)
    step[..., 1:] = (in_order.diff(dim=-1) > _SAME).cumsum(-1)
    return torch.empty_like(order).scatter_(-1, order, step) < kinds


def cells_of(targets: Targets, stride: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Give the flat number (T,) of the cell, among those of shape (B, d, h, w), that holds each centre."""
    _, depth, height, width = shape
    size = torch.tensor([width, height, depth], device=stride.device)
    centre = (targets.boxes[:, :3] + targets.boxes[:, 3:]) / 2
    x, y, z = torch.minimum((centre / stride).floor().long().clamp_min(0), size - 1).unbind(1)
    return ((targets.image * depth + z) * height + y) * width + x


def by_cell(cell: Tensor) -> tuple[Tensor, Tensor]:
    """Sort objects by their cells.

    Parameters
    ----------
    cell : (T,) int64 tensor
        Number of the cell of each.

    Returns
    -------
    (N,) and (N, K) int64 tensors
        The cells that hold objects, and these in their order; -1 where there are fewer than K.

    Examples
    --------
    >>> cells, members = by_cell(torch.tensor([7, 3, 7]))
    >>> cells.tolist(), members.tolist()
    ([3, 7], [[1, -1], [0, 2]])
    """
    cells, of_object, counts = torch.unique(cell, return_inverse=True, return_counts=True)
    order = torch.argsort(of_object, stable=True)
    first = counts.cumsum(0) - counts
    place = torch.arange(len(cell), device=cell.device) - first[of_object[order]]
    members = cell.new_full((len(cells), int(counts.max()) if len(cells) else 0), -1)
    members[of_object[order], place] = order
    return cells, members


def _draw(usable: Tensor) -> tuple[Tensor, Tensor]:
    """Give a random one of the usable of each row (N, P), and whether there is any."""
    keys = torch.where(usable, _random(tuple(usable.shape), usable.device), -1.0)
    return keys.argmax(dim=1), usable.any(dim=1)


def _random(shape: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.rand(shape).to(device)
