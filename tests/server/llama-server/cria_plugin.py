"""In place of the tests' conftest.py, which downloads every model: ends the servers of a test."""

import pytest
import utils


@pytest.fixture(autouse=True)
def end_servers():
    yield
    for server in list(utils.server_instances):
        server.stop()
