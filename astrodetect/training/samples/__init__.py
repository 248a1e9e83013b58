"""From recordings and labels to images that a network can learn from."""
