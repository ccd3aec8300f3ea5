"""The seven steps of an export job, one file each; `workflow.py` puts them in order."""
