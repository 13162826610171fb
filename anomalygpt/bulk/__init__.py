"""Many photos in one go: folders and stores into a table, and what arrives in a folder."""
