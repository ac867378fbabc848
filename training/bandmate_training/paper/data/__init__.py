"""The published system's training data: Slakh2100 as it reads it."""
