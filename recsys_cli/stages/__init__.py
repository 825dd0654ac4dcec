"""The four stages as functions: `preprocess`, `train`, `score`, `evaluate`. No terminal here."""
