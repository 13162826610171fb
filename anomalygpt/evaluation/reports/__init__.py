"""Results as files, tables, charts and a page."""
