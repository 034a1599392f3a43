"""The scatter kernels of `group.pyx` in NumPy: same functions, same answers."""
