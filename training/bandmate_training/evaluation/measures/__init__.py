"""What an evaluation of generated music measures: pure functions and fixed networks."""
