"""The rows of the benchmark: each function measures one thing and hands back a `Result`."""
