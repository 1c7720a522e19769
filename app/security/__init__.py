"""Who may call: API keys, tokens, scopes, rate limits."""
