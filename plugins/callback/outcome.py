# Copyright (c) the msharefs fleet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or
# https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: outcome
type: notification
short_description: Write what became of each host to a JSON file
version_added: 0.1.0
description:
  - At the end of a run, writes a JSON object, host to C(ok), C(changed), C(failed), C(unreachable) (numbers
    of tasks), C(message) (of the failure, or empty) and C(facts) (those of the host whose names begin with
    C(mshare_)).
  - A host of the inventory that no play reached is not in it.
options:
  path:
    description: The file to write. Without it, nothing is written.
    type: path
    env:
      - name: MSHARE_OUTCOME_FILE
author:
  - The msharefs fleet developers (@mshare)
"""

import json

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    """Remembers each host's failure and facts, and writes them down at the end."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "mshare.fleet.outcome"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, display=None, options=None):
        super().__init__(display=display, options=options)
        self._messages = {}
        self._facts = {}

    def _failed(self, result):
        data = result.result
        message = data.get("msg") or data.get("stderr") or "failed"
        if isinstance(message, list):
            message = "\n".join(str(line) for line in message)
        self._messages[result.host.get_name()] = "%s: %s" % (result.task_name, str(message).strip())

    def v2_runner_on_failed(self, result, ignore_errors=False):
        """A task failed."""
        if not ignore_errors:
            self._failed(result)

    def v2_runner_on_unreachable(self, result):
        """A host could not be reached."""
        self._failed(result)

    def v2_runner_on_ok(self, result):
        """A task succeeded; it may have set facts of ours."""
        facts = result.result.get("ansible_facts") or {}
        mine = {name: value for name, value in facts.items() if name.startswith("mshare_")}
        self._facts.setdefault(result.host.get_name(), {}).update(mine)

    def v2_playbook_on_stats(self, stats):
        """The run ended."""
        path = self.get_option("path")
        if not path:
            return
        outcome = {}
        for host in sorted(stats.processed):
            numbers = stats.summarize(host)
            bad = numbers["failures"] or numbers["unreachable"]
            outcome[host] = {
                "ok": numbers["ok"],
                "changed": numbers["changed"],
                "failed": numbers["failures"],
                "unreachable": numbers["unreachable"],
                "message": self._messages.get(host, "") if bad else "",
                "facts": self._facts.get(host, {}),
            }
        with open(path, "w", encoding="utf-8") as stream:
            json.dump(outcome, stream, indent=1, sort_keys=True)
