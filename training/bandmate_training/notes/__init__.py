"""Notes as latents: what is played, on a grid of 40 ms frames, and how it sounds."""
