"""Homes for programs written for other packages; see `autograd_cnn.compat.autograd`."""
