"""Training: the loop, and each network's task."""
