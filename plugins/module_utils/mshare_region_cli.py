# SPDX-License-Identifier: MIT
"""`mshare region`: the regions of this host, for people and (with --json) for programs."""

from __future__ import annotations

import argparse
import grp
import json
import os
import pwd
import sys

from . import mshare_region_text as text
from .mshare_region_ensure import ensure
from .mshare_region_errors import BadInput, RegionError
from .mshare_region_names import from_instance
from .mshare_region_spec import DECLARATIONS, read_declaration
from .mshare_region_store import ROOT, Store


def main(argv=None):
    """Run the command line; return the exit code: 0 done, 1 refused or the answer is no, 2 wrong input,
    3 the host failed."""
    options = _parser().parse_args(argv)
    try:
        return options.run(options)
    except RegionError as error:
        print("mshare: %s" % error.message, file=sys.stderr)
        if error.remedy:
            print("  what to do: %s" % error.remedy, file=sys.stderr)
        return error.exit_code


def _parser():
    parser = argparse.ArgumentParser(
        prog="mshare region", description="Regions of shared memory and page tables."
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print JSON on standard output")
    common.add_argument("--root", default=ROOT, metavar="DIR", help="mount point (default: %(default)s)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name, run, about):
        sub = commands.add_parser(name, parents=[common], help=about, description=about)
        sub.set_defaults(run=run)
        return sub

    command("list", _list, "Show all regions, one a line.")
    show = command("show", _show, "Show one region: its objects and who uses it.")
    show.add_argument("name", metavar="NAME")
    make = command("ensure", _ensure, "Make or change regions as they are declared.")
    make.add_argument("names", metavar="NAME", nargs="*")
    make.add_argument("--all", action="store_true", help="every declared region")
    make.add_argument("--declarations", default=DECLARATIONS, metavar="DIR", help="default: %(default)s")
    make.add_argument(
        "--check", action="store_true", help="change nothing; exit 1 if there is something to change"
    )
    make.add_argument("--force", action="store_true", help="even when processes lose memory they use")
    remove = command("remove", _remove, "Remove one region.")
    remove.add_argument("name", metavar="NAME")
    remove.add_argument("--force", action="store_true", help="even when processes use it; they keep it")
    return parser


def _look(store, name):
    """A region as --json shows it, or None."""
    found = store.find(name)
    if found is None:
        return None
    owner, group, mode = found.pop("owner"), found.pop("group"), found.pop("mode")
    found.update(path=store.path(name), uid=owner, gid=group, mode="%04o" % mode)
    found.update(owner=_name(pwd.getpwuid, owner), group=_name(grp.getgrgid, group))
    return found


def _name(look_up, number):
    try:
        return look_up(number)[0]
    except KeyError:
        return str(number)


def _emit(data):
    print(json.dumps(data, indent=2, sort_keys=True))


def _list(options):
    with Store(options.root) as store:
        granularity = store.granularity()
        regions = [one for one in (_look(store, name) for name in store.names()) if one]
    if options.json:
        _emit({"granularity": granularity, "root": options.root, "regions": regions})
    else:
        print(text.table(regions))
    return 0


def _show(options):
    name = from_instance(options.name)
    with Store(options.root) as store:
        region = _look(store, name)
    if region is None:
        print("mshare: there is no region %s" % os.path.join(options.root, name), file=sys.stderr)
        return 1
    if options.json:
        _emit(region)
    else:
        print(text.page(region))
    return 0


def _ensure(options):
    if bool(options.names) == options.all:
        raise BadInput("mshare region ensure: nothing is named", "give either names or --all")
    names = _declared(options.declarations) if options.all else [from_instance(one) for one in options.names]
    answers, worst = [], 0
    for name in names:
        try:
            arguments = read_declaration(name, options.declarations)
            if options.force:
                arguments["force"] = True
            answer = ensure(arguments, options.root, check=options.check)
        except RegionError as error:
            if len(names) == 1:
                raise
            print("mshare: region %s: %s" % (name, error), file=sys.stderr)
            answers.append({"name": name, "error": str(error)})
            worst = max(worst, error.exit_code)
            continue
        for warning in answer["warnings"]:
            print("mshare: %s" % warning, file=sys.stderr)
        answers.append(answer)
        if options.check and answer["steps"]:
            worst = max(worst, 1)
        if not options.json:
            print(text.done(answer, options.check))
    if options.json:
        _emit(answers)
    return worst


def _declared(directory):
    try:
        entries = os.listdir(directory)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RegionError("listing %s: %s" % (directory, error.strerror)) from error
    return sorted(
        one[: -len(".json")] for one in entries if one.endswith(".json") and not one.startswith(".")
    )


def _remove(options):
    arguments = {"name": from_instance(options.name), "state": "absent", "force": options.force}
    answer = ensure(arguments, options.root)
    if options.json:
        _emit(answer)
    else:
        print(text.done(answer, False))
    return 0
