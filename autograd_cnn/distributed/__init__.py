"""Data-parallel training on MPI (the extra ``mpi``)."""
