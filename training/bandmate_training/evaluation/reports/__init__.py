"""The reports of `evaluate`: a function each, that measures and returns the files."""
