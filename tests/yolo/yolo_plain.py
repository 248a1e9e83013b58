"""Association as a person would do it with paper: cell by cell, object by object. To compare with."""

from dataclasses import dataclass, field

import numpy as np

from astrodetect.methods.boxes import overlap


@dataclass
class Plain:
    """What was associated: locks of units, and for each object its unit, by tuples of numbers."""

    lock: np.ndarray
    unit_of: dict = field(default_factory=dict)


def associate(boxes, objectness, targets, stride, config, how, limits):
    """Associate with the nearest prior always (``nearest_share`` 1) or never (0), and without chance.

    `boxes` (B, d, h, w, P, 6), `objectness` (B, d, h, w, P), `stride` x, y, z; `targets` as the model
    has them.
    """
    n = config.axes
    axes = [*range(n), *range(3, 3 + n)]
    priors = np.array(config.sizes)[:, :n]
    result = Plain(np.zeros(boxes.shape[:-1], int))

    def fits(box, target):
        return float(overlap(box[axes], target[axes], how.overlap))

    for place in np.ndindex(*boxes.shape[:-1]):
        own = [t for t in range(len(targets.image)) if int(targets.image[t]) == place[0]]
        if any(fits(boxes[place], targets.boxes[t].numpy()) > limits.good for t in own):
            result.lock[place] = 1
    for cell in np.ndindex(*boxes.shape[:4]):
        image, z, y, x = cell
        inside = []
        for t in range(len(targets.image)):
            box = targets.boxes[t].numpy()
            centre = (box[:3] + box[3:]) / 2
            at = [
                min(int(c // s), m - 1) for c, s, m in zip(centre, stride, boxes.shape[3:0:-1], strict=True)
            ]
            if int(targets.image[t]) == image and at == [x, y, z]:
                inside.append(t)
        _one_cell(cell, inside, boxes, objectness, targets, priors, config, how, limits, result, fits)
    return result


def distances(box, priors, config, how):
    n = config.axes
    sides = box[3 : 3 + n] - box[:n]
    if how.prior_distance == "size":
        return np.sqrt(((sides - priors) ** 2).sum(1))
    if how.prior_distance == "offset":
        return np.abs(np.clip(np.log(sides / priors), config.size[1], config.size[2])).sum(1)
    both = [np.concatenate([-s / 2, s / 2], -1) for s in (np.broadcast_to(sides, priors.shape), priors)]
    return 1 - overlap(*both, how.overlap)


def _one_cell(cell, inside, boxes, objectness, targets, priors, config, how, limits, result, fits):
    free, waiting = set(range(len(priors))), list(inside)
    while waiting:
        best = None
        for t in waiting:
            box = targets.boxes[t].numpy()
            apart = distances(box, priors, config, how)
            kinds = []
            for value in sorted(apart):
                if not kinds or value - kinds[-1] > 1e-3:
                    kinds.append(value)
            last = kinds[how.strict - 1] if 0 < how.strict <= len(kinds) else kinds[-1]
            for p in sorted(free):
                if how.strict and apart[p] > last + 1e-3:
                    continue
                value = fits(boxes[cell][p], box)
                if best is None or value > best[0]:
                    best = (value, t, p, apart, last)
        if best is None:
            return
        value, t, p, apart, last = best
        box = targets.boxes[t].numpy()
        usable = [q for q in free if not how.strict or apart[q] <= last + 1e-3]

        def among(kind, otherwise, usable=usable, box=box):
            there = [q for q in usable if q in kind]
            return max(there, key=lambda q: fits(boxes[cell][q], box)) if there else otherwise

        sides, volumes = box[3 : 3 + config.axes] - box[: config.axes], priors.prod(1)
        if (sides < how.smallest_scale * priors[volumes.argmin()]).all():
            p = among(set(np.flatnonzero(volumes <= volumes.min() + 1e-3)), p)
        elif value < limits.low or how.nearest_share == 1:
            p = among(set(np.flatnonzero(apart <= apart.min() + 1e-3)), p)
        waiting.remove(t)
        amount = fits(boxes[cell][p], box)
        unsure = amount < limits.difficult_overlap or objectness[cell][p] < limits.difficult_objectness
        if targets.difficult[t] and unsure:
            continue
        free.discard(p)
        result.lock[(*cell, p)] = 2
        result.unit_of[t] = (*cell, int(p))
