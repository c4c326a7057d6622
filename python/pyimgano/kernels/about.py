"""What the compiled kernels say of themselves."""

from pyimgano import _rust


def version() -> str:
    """The version of the package, as it was compiled."""
    return _rust.version()


def n_threads() -> int:
    """Threads that a call uses where it is given no number.

    Raises
    ------
    InvalidInputError
        (a ValueError) if ``PYIMGANO_NUM_THREADS`` is not a number from 1 to 1,024.
    """
    return _rust.resolve_threads()


def simd_level() -> str:
    """The instruction set in use: ``"portable"``, ``"avx2"``, ``"avx512"`` or ``"neon"``.

    Raises
    ------
    InvalidInputError
        (a ValueError) if ``PYIMGANO_SIMD`` names one that is unknown or that this CPU has not.
    """
    return _rust.simd_level()
