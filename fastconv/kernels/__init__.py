"""The ground floor: compiled loops that know pointers, sizes and strides, and nothing else."""
