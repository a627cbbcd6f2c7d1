"""The graph: recording operations, and walking back over them."""
