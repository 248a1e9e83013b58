"""Which pieces are one object."""

import numpy as np
import pytest

from astrodetect.methods.link import Piece, Rules, groups, same_object


def piece(first, last, x=0.0, y=0.0, vx=5.0, vy=0.0):
    frame = np.arange(first, last + 1)
    return Piece(frame, x + vx * frame, y + vy * frame)


RULES, RATE = Rules(), 25.0


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (piece(0, 20), piece(15, 40), True),  # overlapping windows
        (piece(0, 20), piece(25, 40), True),  # a gap
        (piece(0, 20), piece(60, 80), False),  # too long a gap
        (piece(0, 20), piece(0, 20, y=30), False),  # side by side
        (piece(0, 20), piece(22, 40, vx=-5.0, x=200), False),  # turns back
        (piece(0, 20), piece(22, 40, y=15), False),  # elsewhere
        (piece(0, 20, vx=0.3), piece(36, 60, vx=0.3), True),  # slow: a longer gap
        (piece(0, 64, vx=1.0, vy=1.0), piece(30, 35, x=30, vx=0.0, vy=1.0), True),  # a fragment on the path
        (piece(10, 10), piece(0, 20), True),  # a single frame on the path
        (piece(10, 10, y=50), piece(0, 20), False),
    ],
)
def test_pairs(a, b, same):
    assert same_object(a, b, RULES, RATE) is same
    assert same_object(b, a, RULES, RATE) is same


def test_what_does_not_move_is_joined_by_place():
    a, b, c = piece(3, 3, x=10, vx=0), piece(180, 180, x=12, vx=0), piece(3, 3, x=60, vx=0)
    assert sorted(map(sorted, groups([a, b, c], RULES, RATE))) == [[0, 1], [2]]


def test_groups_are_transitive():
    pieces = [piece(0, 40), piece(100, 140), piece(38, 102), piece(0, 140, y=40)]
    assert sorted(map(sorted, groups(pieces, RULES, RATE))) == [[0, 1, 2], [3]]
