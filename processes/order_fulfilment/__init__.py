"""Fulfil an order: reserve and charge at once, ship, wait for the carrier; after an error, release and refund."""
