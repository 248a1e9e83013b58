"""Synthetic meteors in the real frames of a station, to learn what it would have found."""
