"""Results as data, tables, pictures and files."""
