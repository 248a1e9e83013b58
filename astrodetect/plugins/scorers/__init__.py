"""Region scorers."""
