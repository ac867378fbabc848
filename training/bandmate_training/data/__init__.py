"""Training examples: songs on disk, augmented and remixed."""
