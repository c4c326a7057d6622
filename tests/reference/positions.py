"""How tables of positions are resized: the formulas, one axis at a time."""

import numpy as np


def cubic(x: float) -> float:
    """Keys' kernel with a = -0.75, which torch takes without antialiasing."""
    a, x = -0.75, abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


def weights_between(n_old: int, n_new: int, offset: float) -> np.ndarray:
    """(n_new, n_old): how much of each old place is in each new one, along one axis."""
    found = np.zeros((n_new, n_old))
    for i in range(n_new):
        at = (i + 0.5) * n_old / (n_new + offset) - 0.5
        below = int(np.floor(at))
        for k in range(below - 1, below + 3):
            found[i, min(max(k, 0), n_old - 1)] += cubic(at - k)
    return found


def antialiased(n_old: int, n_new: int) -> np.ndarray:
    """(n_new, n_old): by the antialiasing kernel, a = -0.5, as wide as the step between places."""
    step = n_old / n_new
    width = max(step, 1.0)

    def kernel(x: float) -> float:
        x = abs(x)
        if x <= 1:
            return 1.5 * x**3 - 2.5 * x**2 + 1
        return -0.5 * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0

    found = np.array(
        [[kernel((k + 0.5 - (i + 0.5) * step) / width) for k in range(n_old)] for i in range(n_new)]
    )
    return found / found.sum(axis=1, keepdims=True)
