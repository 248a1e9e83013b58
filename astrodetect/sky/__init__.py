"""Where pixels look: frames of the sky, lens models, plate solutions, and their errors."""
