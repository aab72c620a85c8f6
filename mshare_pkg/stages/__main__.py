"""`python -m mshare_pkg.stages PLAN`: what the Makefile's targets call."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ..errors import MshareError, of_the_system
from ..paths import project_root
from .plan import PLANS
from .runner import Runner
from .setup import setup


def main(argv: Sequence[str] | None = None) -> int:
    """Run a plan, or `setup` alone, and return the exit code."""
    try:
        root = project_root()
        parser = argparse.ArgumentParser(prog="stages", description="Run the stages of a make target.")
        parser.add_argument("plan", choices=["setup", *PLANS])
        parser.add_argument("--from", dest="first", metavar="STAGE", help="begin with this stage")
        parser.add_argument(
            "--only", action="append", default=[], metavar="STAGE", help="run this stage alone"
        )
        parser.add_argument("--keep", action="store_true", help="do not clean up: machines go on running")
        parser.add_argument("--list", action="store_true", help="print the stages and their programs")
        options = parser.parse_args(argv)
        if options.plan == "setup":
            setup(root)
            return 0
        plan = PLANS[options.plan].cut(options.first, options.only, options.keep)
        if options.list:
            for stage in (*plan.stages, *plan.cleanup):
                print(f"{stage.name}: {' '.join(stage.argv)}")
            return 0
        runner = Runner(root, root / "build" / "logs", lambda text: print(text, flush=True))
        return runner.run(plan, root / "build" / "stages.json")
    except KeyboardInterrupt:
        return 130
    except (MshareError, OSError) as caught:
        error = of_the_system(caught) if isinstance(caught, OSError) else caught
        print(f"mshare: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
