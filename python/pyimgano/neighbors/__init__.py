"""Exact nearest neighbours among rows, behind one protocol; the nearest row of each group."""

from pyimgano.kernels import GroupIndex
from pyimgano.neighbors.base import NearestNeighbors, Neighbors
from pyimgano.neighbors.catalogue import create_neighbors, register_neighbors

__all__ = [
    "GroupIndex",
    "NearestNeighbors",
    "Neighbors",
    "create_neighbors",
    "register_neighbors",
]
