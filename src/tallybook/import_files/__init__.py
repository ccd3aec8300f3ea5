"""Import files: what the adapters share that record into the embedded book and hand entries over in files."""
