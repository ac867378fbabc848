"""Networks on notes: transcriber, denoiser, decoder."""
