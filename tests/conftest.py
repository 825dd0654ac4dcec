"""Fixtures shared by every folder, and the rule for tests that need real data."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def data(request: pytest.FixtureRequest) -> Path:
    """The folder that the test's `needs_data` mark names, inside RECSYS_DATA."""
    marker = request.node.get_closest_marker("needs_data")
    root = os.environ.get("RECSYS_DATA")
    if root is None:
        pytest.skip("RECSYS_DATA is not set: it names the folder of real data sets")
    return Path(root) / marker.args[0]
