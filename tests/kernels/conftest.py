"""Fixtures of the kernel tests."""

import pytest

from tests.kernels.support import simd_levels


@pytest.fixture(params=simd_levels())
def simd(request, monkeypatch):
    """Each instruction set that this CPU has, forced."""
    monkeypatch.setenv("PYIMGANO_SIMD", request.param)
    return request.param
