"""What follows from an analysed network: receptive fields, liveness, tensors and their readers, counts."""
