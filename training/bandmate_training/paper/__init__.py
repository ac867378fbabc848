"""The published MSG-LD network: modules, weights from published files, training, conformance."""
