"""Decide on a loan, by a decision table or, in unclear cases, by a loan officer; then pay it out."""
