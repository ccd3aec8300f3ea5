"""What `tallybook serve` answers over HTTP: webhooks, a request to look now, health, metrics."""
