"""``python -m pyimgano`` is the ``pyimgano`` command."""

import sys

from pyimgano.cli.main import main

sys.exit(main())
