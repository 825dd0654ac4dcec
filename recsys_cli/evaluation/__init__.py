"""How good ranked lists are: measures, intervals, baselines. NumPy and SciPy only."""
