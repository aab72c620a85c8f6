# Copyright (c) the msharefs fleet authors
# SPDX-License-Identifier: MIT
"""What a host must fulfil before a kernel is rolled out to it. Pure functions from facts to refusals."""

from __future__ import annotations

from .mshare_grub import flat_id
from .mshare_sizes import parse_size

#: File systems on which GRUB writes its environment block (tried: ext4; save_env needs plain, uncompressed
#: blocks).
WRITABLE_TYPES = ("ext2", "ext3", "ext4")

#: vm.overcommit_memory: 0 refuses a single mapping beyond RAM and swap, 1 nothing, 2 anything past the
#: commit limit.
HEURISTIC, ALWAYS, STRICT = 0, 1, 2


def refusal(check, reason, remedy):
    """One reason not to go on: what was checked, what was found, what to do."""
    return {"check": check, "reason": reason, "remedy": remedy}


def declared_mib(regions):
    """MiB of memory that the objects of declared regions take, rounded up.

    Files do not count, as their pages can be written back, nor do huge pages, which are set aside already.

    Args:
        regions: dicts as in `mshare_regions_list`; absent ones count nothing.

    Raises:
        BadInput: a size cannot be read.
    """
    total = sum(
        parse_size(one.get("size"), "size of an object of region %s" % region.get("name"))
        for region in regions
        if region.get("state") != "absent"
        for one in region.get("objects") or []
        if one.get("type") not in ("file", "hugetlb")
    )
    return -(-total // 2**20)


def preflight(facts, release, min_boot_mib, regions_mib):
    """Reasons not to roll a kernel out to a host.

    Args:
        facts: what `mshare_host.read_host` returns.
        release: the kernel that is to come.
        min_boot_mib: MiB that must be free in /boot while that kernel is not installed.
        regions_mib: MiB of objects that this host's regions will hold; 0 checks no memory.

    Returns:
        A list of refusals; empty when the host is fit.
    """
    return (
        _firmware(facts)
        + _bootloader(facts)
        + _environment_block(facts)
        + _running_kernel(facts)
        + _space(facts, release, min_boot_mib)
        + _memory(facts, regions_mib)
    )


def _bootloader(facts):
    grub, refusals = facts["grub"], []
    for tool in grub["tools_missing"]:
        refusals.append(
            refusal("bootloader", "%s is not there" % tool, "only hosts that boot by GRUB are supported")
        )
    if not grub["config"]:
        refusals.append(
            refusal("bootloader", "there is no /boot/grub/grub.cfg", "run update-grub on a GRUB host")
        )
    elif not grub["generated"]:
        reason = "/boot/grub/grub.cfg was not written by update-grub"
        refusals.append(
            refusal("bootloader", reason, "let update-grub write it, or keep this host out of the rollout")
        )
    if facts["boot_image"] != facts["release"]:
        reason = "GRUB loaded %s, but %s runs" % (
            facts["boot_image"] or "nothing that is known",
            facts["release"],
        )
        refusals.append(
            refusal("bootloader", reason, "boot the host through GRUB (not kexec or another loader)")
        )
    return refusals


def _firmware(facts):
    if not facts["uefi"]:
        return []
    reason = "the host was started by UEFI, for which this project's kernels are neither built nor signed"
    return [refusal("firmware", reason, "start it by BIOS, or keep it out of the rollout")]


def _environment_block(facts):
    grub, refusals = facts["grub"], []
    system = grub["filesystem"]
    if system["type"] not in WRITABLE_TYPES:
        reason = "/boot/grub is on %s, where GRUB cannot write grubenv" % (
            system["type"] or "no known file system"
        )
        refusals.append(refusal("grubenv", reason, "put /boot on ext4"))
    if system["device_kind"] != "plain":
        reason = "/boot/grub is on a %s device, where GRUB cannot write grubenv" % system["device_kind"]
        refusals.append(
            refusal("grubenv", reason, "put /boot on a plain partition, not on LVM, RAID or encryption")
        )
    if system["read_only"]:
        refusals.append(refusal("grubenv", "/boot/grub is mounted read-only", "mount it read-write"))
    if grub["env_error"]:
        reason = "/boot/grub/grubenv is damaged: %s" % grub["env_error"]
        refusals.append(
            refusal("grubenv", reason, "remove it and run 'grub-editenv /boot/grub/grubenv create'")
        )
    return refusals


def _running_kernel(facts):
    release, refusals = facts["release"], []
    kernel = facts["kernels"].get(release)
    if kernel is None or kernel["vmlinuz_bytes"] == 0:
        reason = "/boot/vmlinuz-%s, the running kernel's file, is missing or empty" % release
        refusals.append(
            refusal("running kernel", reason, "reinstall its package: the rollout falls back to it")
        )
    if not flat_id(facts["grub"]["entries"], release):
        reason = "the boot menu has no entry for the running kernel %s" % release
        refusals.append(refusal("running kernel", reason, "run update-grub: the rollout falls back to it"))
    for entry in facts["grub"]["entries"]:
        if (
            entry["release"] == release
            and entry["initrd"]
            and kernel is not None
            and not kernel["initrd_bytes"]
        ):
            reason = "the initramfs of the running kernel %s is missing or empty" % release
            refusals.append(refusal("running kernel", reason, "run update-initramfs -c -k %s" % release))
            break
    return refusals


def _space(facts, release, min_boot_mib):
    boot = facts["boot"]
    refusals = []
    if boot["read_only"]:
        refusals.append(refusal("/boot", "/boot is mounted read-only", "mount it read-write"))
    if release not in facts["kernels"] and boot["free_mib"] < min_boot_mib:
        reason = "/boot has %d MiB free, %d are needed" % (boot["free_mib"], min_boot_mib)
        refusals.append(refusal("/boot", reason, "remove kernels that are not used, not the one that runs"))
    return refusals


def _memory(facts, regions_mib):
    if not regions_mib:
        return []
    memory = facts["memory"]
    mode = memory["overcommit_memory"]
    # Where msharefs is mounted, what its regions hold is committed already.
    if mode == STRICT and not facts["mounts"]:
        free = (memory["commit_limit_kib"] - memory["committed_kib"]) // 1024
        if free < regions_mib:
            reason = "vm.overcommit_memory=2 (ratio %d) leaves %d MiB to commit; regions need %d" % (
                memory["overcommit_ratio"],
                free,
                regions_mib,
            )
            return [
                refusal("memory", reason, "raise vm.overcommit_ratio, add swap, or ask for smaller regions")
            ]
    total = (memory["total_kib"] + memory["swap_kib"]) // 1024
    if mode != ALWAYS and total < regions_mib:
        reason = "the host has %d MiB of memory and swap; regions need %d" % (total, regions_mib)
        return [refusal("memory", reason, "add memory or swap, or ask for smaller regions")]
    return []
