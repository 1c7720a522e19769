"""Decide on a loan: by a table of rules, or by a loan officer where the rules leave it open; then pay it out."""
