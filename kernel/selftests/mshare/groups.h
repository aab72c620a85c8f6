/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the msharefs selftests have their memory cgroups.
 */
#ifndef MSHARE_GROUPS_H
#define MSHARE_GROUPS_H

#include <stdbool.h>

#define GROUPS	"/tmp/mshare-cgroup"

/* Mount cgroup2 at GROUPS; false where there is none, or none with a memory controller. */
bool have_groups(void);
/* The same, with the controller on for groups in it, or skip the case. */
void need_groups(void);
/* After that: another controller is on for them, too, or skip the case. */
void need_controller(const char *name);
void drop_groups(void);

/* Move the caller into the group of that directory. */
void enter_group(const char *directory);

/* A file of the group of that name, or its directory (""); in one of two static buffers. */
const char *in_group(const char *group, const char *file);
void group_set(const char *group, const char *file, const char *value);
long group_get(const char *group, const char *file);
/* A number from a file of lines that begin with a name. */
long group_line(const char *group, const char *file, const char *name);
/* A new and empty group. */
void group_new(const char *group);
/* Wait until an empty group can be removed. */
void group_remove(const char *group);

/*
 * Make the kernel take so much memory ("8M") from whom it chooses, as it does when there is none
 * left, but kill nobody. It may find less. False where it can't be asked for that.
 */
bool press_for_memory(const char *amount);
/* The same, from those in the group of that directory. */
bool press_group(const char *directory, const char *amount);

#endif /* MSHARE_GROUPS_H */
