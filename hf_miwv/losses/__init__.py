"""Mean negative log-likelihoods of responses, in nats per token, by any causal model."""
