"""The exact kernels: coreset, nearest neighbours, components, curves.

Arrays are taken without a copy where they are C-contiguous, the GIL is released, Ctrl-C works, and
results do not depend on the number of threads or the instruction set.
"""

from __future__ import annotations
