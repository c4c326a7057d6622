"""Whether torch can compute on a device."""

from typing import Any

from pyimgano.errors import InvalidInputError


def check_device(torch: Any, device: Any) -> None:
    """Refuse a device (``"cuda:1"``) that torch does not know, or that this machine has not.

    The InvalidInputError lists the devices that there are; ``torch`` is the module.
    """
    try:
        torch.zeros(1, device=device).cpu()
    except Exception as error:  # of several classes: AssertionError, RuntimeError, TypeError ...
        raise InvalidInputError(
            f"torch cannot compute on device={device!r} here: choose {' or '.join(_there(torch))}"
        ) from error


def _there(torch: Any) -> list[str]:
    found = ["cpu"]
    if torch.cuda.is_available():
        found += ["cuda", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        found.append("mps")
    return found
