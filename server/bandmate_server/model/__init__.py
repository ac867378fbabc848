"""A model on disk and in memory: bundle, graphs, mel bands, devices."""
