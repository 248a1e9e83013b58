"""Postprocessors."""
