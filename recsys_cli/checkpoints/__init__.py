"""Saving and restoring any pytree of arrays while a run goes on; knows no model."""
