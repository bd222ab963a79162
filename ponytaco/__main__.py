"""For ``python -m ponytaco`` and ``torchrun -m ponytaco train …``, which want a module."""

from ponytaco.cli import main

raise SystemExit(main())
