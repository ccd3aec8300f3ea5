"""The sandbox as seen from outside: Pleo's eight operations, the files, and the controls for whoever tests with it."""
