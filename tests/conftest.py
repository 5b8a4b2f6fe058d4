"""What all tests share."""

import gc
import logging
import shutil
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

# `make fuzz` runs the same properties for longer.
settings.register_profile("fuzz", max_examples=5000, deadline=None)
settings.register_profile("suite", deadline=None)  # a shared machine may stall any example
settings.load_profile("suite")


def pytest_collection_finish() -> None:
    """Thousands of tests and the libraries they judge by are a million objects that stay. A collection that looks at
    them all blocks an event loop for a second, and a gateway that is so late refuses calls."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def what_earlier_modules_left_is_not_looked_at() -> None:
    """For the same reason: what has gathered until now is kept, unseen."""
    gc.freeze()


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A test that sets logging up leaves it as it was for the next."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.fixture(scope="session")
def espeak() -> None:
    """For tests that need the program; without it they are skipped, and say so."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed: run 'sudo apt-get install espeak-ng'")
