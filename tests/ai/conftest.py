"""What tests of the agents share."""

import shutil

import pytest


@pytest.fixture(scope="session")
def espeak() -> None:
    """For tests that need the program; without it they are skipped, and say so."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed: run 'sudo apt-get install espeak-ng'")
