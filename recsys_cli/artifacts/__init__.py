"""Files that commands hand to each other: each appears whole or not at all, and knows what made it."""
