"""Where training pictures come from, and how each becomes an input of the network."""
