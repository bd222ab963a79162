"""For ``python -m ponytaco.cli`` and torchrun, which want a module."""

from ponytaco.cli import main

raise SystemExit(main())
