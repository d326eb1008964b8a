"""`python -m lab` is `bin/lab`."""

from lab.cli import main

raise SystemExit(main())
