"""The database: one URL for the engine's tables and ours; connections, tables and their migrations."""
