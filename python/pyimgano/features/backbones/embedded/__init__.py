"""The network that comes with the package: its files, its graph, and the backbone."""
