"""From a dataset to weights: losses, optimizer, step, validation, and the loop over epochs."""
