"""Events to sequences: vocabulary, order, split, and the dataset on disk."""
