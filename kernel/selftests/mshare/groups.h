/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the msharefs selftests have their memory cgroups.
 */
#ifndef MSHARE_GROUPS_H
#define MSHARE_GROUPS_H

#define GROUPS	"/tmp/mshare-cgroup"

/* Mount cgroup2 at GROUPS with the memory controller on, or skip the case. */
void need_groups(void);
void drop_groups(void);

/* Move the caller into the group of that directory. */
void enter_group(const char *directory);

#endif /* MSHARE_GROUPS_H */
