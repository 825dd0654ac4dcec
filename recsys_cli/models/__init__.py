"""Arrays to scores: embeddings, user encoder, cross-attention head, and the model made of them."""
