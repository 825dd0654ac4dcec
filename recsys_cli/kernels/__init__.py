"""Pure jitted functions on arrays: attention, cross-entropy, cross-attention, exact top-k."""
