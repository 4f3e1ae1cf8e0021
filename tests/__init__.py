"""The tests: each states its claim in one sentence."""
