"""The durable engine: runs the workflow so that a killed run goes on, once per job; the one room that names dbos."""
