"""Cross-validation: every image is tested once, groups stay together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.errors import AstrodetectError
from astrodetect.training.metrics import require_sklearn


def folds(
    targets: NDArray[Any], groups: NDArray[Any] | None, n_folds: int, seed: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Give training and test numbers of each fold, classes in like shares.

    Parameters
    ----------
    targets : (n,) int array
        Class of each image.
    groups : (n,) array or None
        Images of one group stay on one side; None: each image by itself.
    n_folds : int
        2 or more.
    seed : int
        Decides who comes into which fold.

    Raises
    ------
    AstrodetectError
        There are fewer images or groups of a class than folds, so that a fold would hold one class
        only.
    """
    require_sklearn()
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    own = np.arange(len(targets)) if groups is None else groups
    for label in np.unique(targets):
        n = len(np.unique(own[targets == label]))
        if n < n_folds:
            what = "images" if groups is None else "groups"
            raise AstrodetectError(
                f"{n_folds} folds: class {label} has {n} {what}; every fold needs one of each class at least"
            )
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    split = kind(n_folds, shuffle=True, random_state=seed).split(np.zeros(len(targets)), targets, groups)
    for number, (train, test) in enumerate(split):
        for name, part in (("training", train), ("test", test)):
            if len(np.unique(targets[part])) < 2:
                raise AstrodetectError(
                    f"fold {number + 1} of {n_folds}: its {name} part holds one class only; use fewer folds"
                )
        yield train, test
