"""Data sets with image-level labels: synthetic ones made on the fly, and images from files."""
