"""The Pleo export API, version 3, as typed Python: client, models, authentication, retries, errors."""
