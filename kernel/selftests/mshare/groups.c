// SPDX-License-Identifier: GPL-2.0
/*
 * Memory cgroups, as the msharefs selftests use them; see groups.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
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

void need_controller(const char *name)
{
	char text[256];

	file_read(GROUPS "/cgroup.controllers", text, sizeof(text));
	if (!strstr(text, name))
		test_skip("no cgroup2 with the controller %s", name);
	snprintf(text, sizeof(text), "+%s", name);
	file_write(GROUPS "/cgroup.subtree_control", text);
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

const char *in_group(const char *group, const char *file)
{
	static char paths[2][128];
	static int next;

	next = !next;
	snprintf(paths[next], sizeof(paths[next]), GROUPS "/mshare-%s/%s", group, file);
	return paths[next];
}

void group_set(const char *group, const char *file, const char *value)
{
	file_write(in_group(group, file), value);
}

long group_get(const char *group, const char *file)
{
	char text[64];

	file_read(in_group(group, file), text, sizeof(text));
	return strtol(text, NULL, 10);
}

long group_line(const char *group, const char *file, const char *name)
{
	char text[8192], *at;

	file_read(in_group(group, file), text, sizeof(text));
	at = strstr(text, name);
	CHECK_MSG(at, "no %s in \"%s\"", name, text);
	return strtol(at + strlen(name), NULL, 10);
}

void group_new(const char *group)
{
	rmdir(in_group(group, ""));	/* of a run that failed */
	CHECK_OK(mkdir(in_group(group, ""), 0700));
}

void group_remove(const char *group)
{
	int tries;

	for (tries = 0; tries < 100 && rmdir(in_group(group, "")); tries++)
		usleep(50000);
	CHECK_MSG(tries < 100, "%s stays: %s", in_group(group, ""), strerror(errno));
}

bool press_group(const char *directory, const char *amount)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/memory.reclaim", directory);
	fd = open(path, O_WRONLY);
	if (fd == -1)
		return false;
	if (write(fd, amount, strlen(amount)) == -1)
		CHECK(errno == EAGAIN || errno == EINTR);
	CHECK_OK(close(fd));
	return true;
}

bool press_for_memory(const char *amount)
{
	return press_group(GROUPS, amount);
}
