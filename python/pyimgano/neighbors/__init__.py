"""Exact nearest neighbours among rows, behind one protocol."""

from pyimgano.neighbors.base import NearestNeighbors, Neighbors
from pyimgano.neighbors.catalogue import create_neighbors, register_neighbors

__all__ = ["NearestNeighbors", "Neighbors", "create_neighbors", "register_neighbors"]
