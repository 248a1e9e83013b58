"""Patch extractors."""
