"""Properties derived from an analysed network: receptive fields, liveness, tensors and their readers, counts."""
