"""Sound as arrays: reading, windows, resampling, loudness; no model."""
