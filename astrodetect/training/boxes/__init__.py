"""Boxes to learn from: targets, data sets that give them with images, and how both are varied."""
