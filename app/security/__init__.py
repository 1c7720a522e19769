"""Access to the API: API keys, tokens, scopes and rate limits."""
