"""The graph: operations are recorded, and backward walks over them."""
