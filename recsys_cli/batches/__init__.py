"""Sequences to fixed-shape arrays: windows, packing, and the order of an epoch."""
