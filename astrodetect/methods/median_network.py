"""Selection networks: the median of n rows by minima and maxima of whole rows.

A network is made for one number of rows: groups of at most 16 are sorted by Green's network [1]_,
sorted groups are joined by Batcher's odd-even merge [2]_, and the middle of the last two sorted
lists is taken without sorting them: the k-th smallest of two sorted lists is the smallest of the
maxima of pairs. What no wanted output depends on is left out. The maximum, and for floating point
the minimum, are outputs of the same network.

Which operations run does not depend on the data, so one operation works on a whole row of pixels.

References
----------
.. [1] Green, M. W. (1972), "Some improvements in non-adaptive sorting algorithms", Proc. 6th
   Princeton Conference on Information Sciences and Systems; listed in Knuth, The Art of Computer
   Programming 3, section 5.3.4.
.. [2] Batcher, K. E. (1968), "Sorting networks and their applications", AFIPS Spring Joint
   Computer Conference 32, 307.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate, pairwise

#: Sorts 16 values with 60 comparators (Green 1972), layer by layer.
_GREEN_16: tuple[tuple[int, int], ...] = (
    *((i, i + 1) for i in range(0, 16, 2)),
    *((i, i + 2) for i in (0, 1, 4, 5, 8, 9, 12, 13)),
    *((i, i + 4) for i in (0, 1, 2, 3, 8, 9, 10, 11)),
    *((i, i + 8) for i in range(8)),
    *((5, 10), (6, 9), (3, 12), (13, 14), (4, 8), (7, 11), (1, 2)),
    *((1, 4), (7, 13), (2, 8), (11, 14)),
    *((2, 4), (5, 6), (9, 10), (11, 13), (3, 8), (7, 12)),
    *((6, 8), (10, 12), (3, 5), (7, 9)),
    *((3, 4), (5, 6), (7, 8), (9, 10), (11, 12)),
    *((6, 7), (8, 9)),
)

MINIMUM, MAXIMUM = 0, 1
#: What a network can give: the two middle values (equal for an odd number), the extremes.
OUTPUTS = ("low", "high", "max", "min")


@dataclass(frozen=True)
class Network:
    """A program of row operations.

    Attributes
    ----------
    size : int
        Number of rows n that go in; they are slots 0 to n - 1 and are not written to.
    n_buffers : int
        Number of rows of scratch; they are slots n to n + n_buffers - 1.
    steps : tuple of (int, int, int, int)
        ``(MINIMUM or MAXIMUM, slot, slot, slot of the result)``, in order. A result may overwrite
        one of its operands.
    outputs : dict of str to int
        Slot in which each wanted output stands at the end; for n = 1 the row itself.
    """

    size: int
    n_buffers: int
    steps: tuple[tuple[int, int, int, int], ...]
    outputs: dict[str, int]


@dataclass
class _Graph:
    """Minima and maxima of rows by number, each made once."""

    size: int
    nodes: list[tuple[int, int, int]] = field(default_factory=list)
    known: dict[tuple[int, int, int], int] = field(default_factory=dict)

    def node(self, kind: int, a: int, b: int) -> int:
        if a == b:
            return a
        key = (kind, min(a, b), max(a, b))
        if key not in self.known:
            self.known[key] = self.size + len(self.nodes)
            self.nodes.append((kind, a, b))
        return self.known[key]

    def low(self, a: int, b: int) -> int:
        return self.node(MINIMUM, a, b)

    def high(self, a: int, b: int) -> int:
        return self.node(MAXIMUM, a, b)

    def extreme(self, kind: int, rows: Iterable[int]) -> int:
        first, *rest = rows
        for row in rest:
            first = self.node(kind, first, row)
        return first


@lru_cache(maxsize=64)
def selection_network(size: int, outputs: tuple[str, ...] = ("low", "max")) -> Network:
    """Make the network that selects from `size` rows.

    Parameters
    ----------
    size : int
        Number of rows, at least 1.
    outputs : tuple of str
        Of `OUTPUTS`: ``low`` and ``high`` are the values of rank ``(size - 1) // 2`` and
        ``size // 2`` (from 0).

    Returns
    -------
    Network

    Raises
    ------
    ValueError
        `size` is below 1 or an output is unknown.

    Examples
    --------
    >>> len(selection_network(65).steps)
    800
    >>> selection_network(3, ("low",)).n_buffers
    2
    """
    if size < 1 or not set(outputs) <= set(OUTPUTS):
        raise ValueError(f"no network of {size} rows for {outputs}; expected at least 1 row and of {OUTPUTS}")
    splits = sorted({tuple(split) for split in _splits(size)})
    tried = (
        _compile(*_select(size, split, n_left, outputs)) for split in splits for n_left in _lefts(len(split))
    )
    return min(tried, key=lambda network: len(network.steps))


def _lefts(n_groups: int) -> range:
    """Give how many of the groups may make up the first of the two lists: half of them, or a few more."""
    half = (n_groups + 1) // 2
    return range(half, max(half + 1, min(half + 3, n_groups)))


def _splits(size: int) -> Iterable[list[int]]:
    """Give the sizes of sorted groups worth trying: shared evenly, or full ones and a rest.

    With an odd number of rows one may be left over, to be put in last.
    """
    for rows in {size, size - 1 if size % 2 and size > 2 else size}:
        least = -(-rows // 16)
        yield [16] * (rows // 16) + [rows % 16] * (rows % 16 > 0)
        for n_groups in (least, 1 << (least - 1).bit_length()):
            yield [rows * (i + 1) // n_groups - rows * i // n_groups for i in range(n_groups)]


def _select(
    size: int, split: Sequence[int], n_left: int, outputs: Collection[str]
) -> tuple[_Graph, dict[str, int]]:
    graph = _Graph(size)
    bounds = [0, *accumulate(split)]
    lists = [_sorted_group(graph, list(range(a, b))) for a, b in pairwise(bounds)]
    spare = list(range(bounds[-1], size))
    left, right = _merged(graph, lists[:n_left]), _merged(graph, lists[n_left:])
    chosen: dict[str, int] = {}
    if "max" in outputs:
        chosen["max"] = graph.extreme(MAXIMUM, [*left[-1:], *right[-1:], *spare])
    if "min" in outputs:
        chosen["min"] = graph.extreme(MINIMUM, [*left[:1], *right[:1], *spare])
    for name, rank in (("low", (size - 1) // 2), ("high", size // 2)):
        if name in outputs:
            chosen[name] = _ranked(graph, left, right, spare, rank)
    return graph, chosen


def _sorted_group(graph: _Graph, rows: list[int]) -> list[int]:
    """Sort at most 16 rows; comparators that touch the missing (infinite) ones do nothing."""
    for i, j in _GREEN_16:
        if j < len(rows):
            rows[i], rows[j] = graph.low(rows[i], rows[j]), graph.high(rows[i], rows[j])
    return rows


def _merged(graph: _Graph, lists: list[list[int]]) -> list[int]:
    if len(lists) <= 1:
        return lists[0] if lists else []
    half = (len(lists) + 1) // 2
    return _odd_even_merge(graph, _merged(graph, lists[:half]), _merged(graph, lists[half:]))


def _odd_even_merge(graph: _Graph, a: list[int], b: list[int]) -> list[int]:
    """Merge two sorted lists of any lengths (Knuth 5.3.4, theorem of Batcher)."""
    if not a or not b:
        return a or b
    if len(a) == len(b) == 1:
        return [graph.low(a[0], b[0]), graph.high(a[0], b[0])]
    even = _odd_even_merge(graph, a[::2], b[::2])
    odd = _odd_even_merge(graph, a[1::2], b[1::2])
    merged = [even[0]]
    for i in range(1, max(len(even), len(odd) + 1)):
        if i < len(even) and i - 1 < len(odd):
            merged += [graph.low(odd[i - 1], even[i]), graph.high(odd[i - 1], even[i])]
        else:
            merged.append(even[i] if i < len(even) else odd[i - 1])
    return merged


def _ranked(graph: _Graph, a: list[int], b: list[int], spare: list[int], rank: int) -> int:
    """Give the row of a rank among two sorted lists and at most one row more."""
    if not spare:
        return _kth(graph, a, b, rank)
    total = len(a) + len(b)
    # The spare row, held between the neighbours of the rank among the others.
    row = spare[0]
    if rank < total:
        row = graph.low(row, _kth(graph, a, b, rank))
    return graph.high(row, _kth(graph, a, b, rank - 1)) if rank > 0 else row


def _kth(graph: _Graph, a: list[int], b: list[int], rank: int) -> int:
    """Give the row of a rank in the union of two sorted lists: the least of the maxima of pairs."""
    least: int | None = None
    for i in range(max(0, rank + 1 - len(b)), min(len(a), rank + 1) + 1):
        j = rank + 1 - i
        pair = graph.extreme(MAXIMUM, ([a[i - 1]] if i else []) + ([b[j - 1]] if j else []))
        least = pair if least is None else graph.low(least, pair)
    assert least is not None
    return least


def _compile(graph: _Graph, outputs: dict[str, int]) -> Network:
    """Leave out what is not needed and give each result a row of scratch as long as it lives."""
    size = graph.size
    needed = set(outputs.values())
    for index in range(len(graph.nodes) - 1, -1, -1):
        if size + index in needed:
            needed.update(graph.nodes[index][1:])
    last: dict[int, int] = {}
    for index, (_, a, b) in enumerate(graph.nodes):
        if size + index in needed:
            last[a] = last[b] = index
    last.update(dict.fromkeys(outputs.values(), len(graph.nodes)))
    slots = {row: row for row in range(size)}
    free: list[int] = []
    steps = []
    n_buffers = 0
    for index, (kind, a, b) in enumerate(graph.nodes):
        if size + index not in needed:
            continue
        operands = slots[a], slots[b]
        free += [slots[row] for row in (a, b) if last[row] == index and slots[row] >= size]
        if not free:
            free.append(size + n_buffers)
            n_buffers += 1
        slots[size + index] = free.pop()
        steps.append((kind, *operands, slots[size + index]))
    return Network(size, n_buffers, tuple(steps), {name: slots[row] for name, row in outputs.items()})
