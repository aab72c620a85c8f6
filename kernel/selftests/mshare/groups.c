// SPDX-License-Identifier: GPL-2.0
/*
 * Memory cgroups, as the msharefs selftests use them; see groups.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "groups.h"
#include "region.h"

bool have_groups(void)
{
	char text[256];

	CHECK(!mkdir(GROUPS, 0700) || errno == EEXIST);
	if (mount("cgroup2", GROUPS, "cgroup2", 0, NULL) && errno != EBUSY)
		return false;
	file_read(GROUPS "/cgroup.controllers", text, sizeof(text));
	return strstr(text, "memory");
}

void need_groups(void)
{
	if (!have_groups())
		test_skip("no cgroup2 with a memory controller");
	file_write(GROUPS "/cgroup.subtree_control", "+memory");
}

void drop_groups(void)
{
	umount2(GROUPS, MNT_DETACH);
}

void enter_group(const char *directory)
{
	char path[128], pid[16];

	snprintf(path, sizeof(path), "%s/cgroup.procs", directory);
	snprintf(pid, sizeof(pid), "%d", getpid());
	file_write(path, pid);
}

bool press_for_memory(const char *amount)
{
	int fd = open(GROUPS "/memory.reclaim", O_WRONLY);

	if (fd == -1)
		return false;
	if (write(fd, amount, strlen(amount)) == -1)
		CHECK(errno == EAGAIN || errno == EINTR);
	CHECK_OK(close(fd));
	return true;
}
