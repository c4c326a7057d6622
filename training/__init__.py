"""Distils a small convolutional network from a large one: ``python -m training --help``.

The student starts from random weights and learns from the teacher's outputs alone. Nothing in
here is part of the wheel; it needs the extra ``pyimgano[export]``.
"""
