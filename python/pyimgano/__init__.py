"""Find defects in images after learning from good parts only."""
