"""Slow, obvious NumPy versions of the kernels, to test them against."""
