"""A user's tokens to one vector a position."""

from flax import nnx
from jaxtyping import Array, Float, Int, Key

from recsys_cli.config.settings import ModelSettings
from recsys_cli.models.blocks import Block, dropout, split_keys


class UserEncoder(nnx.Module):
    """Causal blocks over embedded tokens, and a final norm."""

    def __init__(self, settings: ModelSettings, *, rngs: nnx.Rngs) -> None:
        self.dropout_rate = settings.dropout
        self.blocks = nnx.List(
            Block(
                dim=settings.embedding_dim,
                num_heads=settings.num_heads,
                dropout_rate=settings.dropout,
                rngs=rngs,
            )
            for _ in range(settings.num_blocks)
        )
        self.norm = nnx.LayerNorm(settings.embedding_dim, rngs=rngs)

    def __call__(
        self,
        tokens: Float[Array, "rows length dim"],
        segments: Int[Array, "rows length"],
        keys: Key[Array, " rows"] | None = None,
    ) -> Float[Array, "rows length dim"]:
        *block_keys, token_keys = split_keys(keys, len(self.blocks) + 1)
        x = dropout(tokens, self.dropout_rate, token_keys)
        for block, own in zip(self.blocks, block_keys, strict=True):
            x = block(x, segments, own)
        return self.norm(x)
