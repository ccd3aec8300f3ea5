"""The kit that proves an adapter: tests to inherit, whose oracle is the accounting system's own content read back."""
