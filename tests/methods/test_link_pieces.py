"""Which pieces are one object."""

import numpy as np
import pytest

from astrodetect.methods.pieces import Piece, Rules, groups, same_object


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


def test_two_that_cross_stay_two():
    """Both are at one place in two frames, and go on in different directions."""
    a = Piece(np.arange(0, 6), np.arange(6) * 10.0, np.zeros(6))
    b = Piece(np.arange(4, 12), np.full(8, 42.0), (np.arange(8) - 0.5) * 8.0)
    assert not same_object(a, b, Rules(), 25.0)


def test_pieces_of_something_that_flutters_are_one():
    a = piece(0, 6)
    turned = Piece(np.arange(9, 15), 38.0 - 3 * np.arange(6), 4.0 * np.arange(6), 900.0)
    bright = Piece(a.frame, a.x, a.y, 1000.0)
    assert same_object(bright, turned, RULES, RATE)
    assert not same_object(Piece(a.frame, a.x, a.y, 9000.0), turned, RULES, RATE)
    assert not same_object(a, turned, RULES, RATE)  # how bright it is is not known
    meteor = Piece(a.frame, a.x, a.y, 1000.0, meteor=0.99)
    assert not same_object(meteor, turned, RULES, RATE)  # a meteor beside a bird
