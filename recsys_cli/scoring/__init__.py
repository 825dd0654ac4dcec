"""A trained model and a dataset to recommendations: retrieve, re-rank, filter, stream, write."""
