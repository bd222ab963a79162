import warnings

import pytest
import torch


@pytest.fixture(scope="module")
def no_preparations():
    """Without oneDNN, which prepares each convolution anew for each length: seconds of tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.backends.mkldnn.flags(enabled=False):
            yield
