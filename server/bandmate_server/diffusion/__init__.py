"""Sampling: steps, solvers, noise, windows that are denoised together."""
