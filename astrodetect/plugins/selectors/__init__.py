"""Patch selectors."""
