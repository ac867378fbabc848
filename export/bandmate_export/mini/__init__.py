"""The mini preset's graphs: VAE, denoiser, vocoder, separator."""
