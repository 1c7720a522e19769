"""Fulfil an order: reserve and charge at the same time, ship, wait for the carrier, undo what was done when refused."""
