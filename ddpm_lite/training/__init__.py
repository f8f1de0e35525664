"""Algorithm 1: losses, batches, the loop and its checkpoint."""
