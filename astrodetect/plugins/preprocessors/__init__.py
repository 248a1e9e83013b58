"""Preprocessors."""
