"""Array loops: the only place that knows memory layout."""
