"""The process of the tests of metrics and Flower; no other stack of a test run polls its topics."""
