"""The testing kit's fixtures for every test below."""

pytest_plugins = ["testkit.plugin"]
