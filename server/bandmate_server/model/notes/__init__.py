"""Notes as latents hold them: which cell means what, reading them, and writing MIDI files."""
