// SPDX-License-Identifier: GPL-2.0
/*
 * Memory cgroups of version 1: a process that changes its group can take its pages'
 * charges along. A region's stay with its creator's group. A full group can make its
 * processes wait, in place of killing one: also for a page table.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "groups.h"
#include "objfile.h"
#include "region.h"

#define GROUPS1		"/tmp/mshare-cgroup1"
#define FROM		GROUPS1 "/from"
#define TO		GROUPS1 "/to"

#define IN_REGION	(8 * MIB)
#define IN_MEMFD	(4 * MIB)
#define MOVE_ALL	"3"	/* anonymous pages and those of files */

#define LIMIT		"4M"
#define MORE		"64M"
#define IDLE_NS		100000000ULL	/* of a second */
#define FAR_AWAY	((char *)0x200000000000UL)	/* where nothing else is mapped */

static bool have_groups1(void)
{
	CHECK(!mkdir(GROUPS1, 0700) || errno == EEXIST);
	return !mount("cgroup", GROUPS1, "cgroup", 0, "memory");
}

static void need_groups1(void)
{
	if (!have_groups1())
		test_skip("no memory controller of version 1: %s", strerror(errno));
	CHECK_OK(mkdir(FROM, 0700));
	CHECK_OK(mkdir(TO, 0700));
}

static long usage(const char *file)
{
	char text[64];

	file_read(file, text, sizeof(text));
	return strtol(text, NULL, 10);
}

/* How many groups the memory controller has, those included that are removed and still charged. */
static long memory_groups(void)
{
	char text[2048], *at;

	file_read("/proc/cgroups", text, sizeof(text));
	at = strstr(text, "\nmemory");
	CHECK_MSG(at, "no memory controller in \"%s\"", text);
	strtok(at + 1, "\t");	/* its name */
	strtok(NULL, "\t");	/* its hierarchy */
	return strtol(strtok(NULL, "\t"), NULL, 10);
}

/*
 * A hierarchy goes only when it is empty, and others have the controller only then: no page may
 * stay charged, as what was freed but is in a CPU's batch.
 */
static void drop_groups1(void)
{
	int tries;

	file_write(FROM "/memory.force_empty", "0");
	file_write(TO "/memory.force_empty", "0");
	CHECK_OK(rmdir(FROM));
	CHECK_OK(rmdir(TO));
	for (tries = 0; tries < 100 && memory_groups() > 1; tries++)
		usleep(50000);
	CHECK_OK(umount(GROUPS1));
	for (tries = 0; tries < 100 && !have_groups(); tries++) {
		drop_groups();
		usleep(50000);
	}
	CHECK_MSG(tries < 100, "version 2 does not get the memory controller back");
	drop_groups();
}

static void touch_and_move(void *arg)
{
	char *own, *p;
	long from, to;
	int fd;

	(void)arg;
	enter_group(FROM);
	p = simple_region("a", IN_REGION, &fd);
	fill(p, IN_REGION, 1);
	fd = memfd_create("own", MFD_CLOEXEC);
	CHECK_OK(fd);
	CHECK_OK(ftruncate(fd, IN_MEMFD));
	own = mmap(NULL, IN_MEMFD, RW, MAP_SHARED, fd, 0);
	CHECK_OK(own);
	fill(own, IN_MEMFD, 2);
	from = usage(FROM "/memory.usage_in_bytes");
	CHECK_MSG(from >= (long)(IN_REGION + IN_MEMFD), "charged before: %ld", from);
	enter_group(TO);
	from = usage(FROM "/memory.usage_in_bytes");
	to = usage(TO "/memory.usage_in_bytes");
	test_note("left behind %ld KiB, taken along %ld KiB", from / 1024, to / 1024);
	CHECK_MSG(from >= (long)IN_REGION, "left behind: %ld", from);
	CHECK_MSG(to >= (long)IN_MEMFD && to < (long)IN_REGION, "taken along: %ld", to);
	check_pattern(p, IN_REGION, 1);
	check_pattern(own, IN_MEMFD, 2);
	/* What is touched from now on is the creator's group's, too. */
	CHECK_OK(object_add(region_open("a", O_RDWR), IN_REGION, IN_REGION));
	fill(p + IN_REGION, IN_REGION, 3);
	from = usage(FROM "/memory.usage_in_bytes");
	CHECK_MSG(from >= (long)(2 * IN_REGION), "left behind: %ld", from);
	CHECK_OK(unlink(in_mnt("a")));
}

static void move(void)
{
	int status;

	need_groups1();
	file_write(TO "/memory.move_charge_at_immigrate", MOVE_ALL);
	status = join(spawn(touch_and_move, NULL));
	drop_groups1();
	CHECK_MSG(status == 0, "wait status %#x", status);
}

/* Until no page can be charged any more; what the caller touches next but a region is there. */
static void fill_group(void)
{
	const u64 size = 16 * MIB;
	char *p = mmap(NULL, size, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	u64 at = 0;

	CHECK_OK(p);
	put(p, get(p));
	CHECK(flag_get(0) == 0);
	while (at < size && !madvise(p + at, PAGE, MADV_POPULATE_WRITE))
		at += PAGE;
	CHECK_MSG(at < size, "a limit of " LIMIT " limits nothing");
}

/* The tables that lead to a region: the process's own. */
static void table_of_client(void *arg)
{
	char *p;

	(void)arg;
	run_on_cpu(0);		/* another's batch of charges may be given back late */
	enter_group(FROM);
	p = mmap(FAR_AWAY, granule(), RW, MAP_SHARED | MAP_FIXED_NOREPLACE,
		 region_open("a", O_RDWR), 0);
	CHECK(p == FAR_AWAY);
	fill_group();
	flag_raise(0);
	CHECK(get(p) == 1);
}

/* Those in it: its creator's. */
static void table_of_region(void *arg)
{
	int fd;
	char *p;

	(void)arg;
	run_on_cpu(0);
	enter_group(FROM);
	fd = region_new("b", 2);
	CHECK_OK(object_add(fd, 0, PAGE));
	CHECK_OK(object_add(fd, granule(), PAGE));
	p = region_map(fd, RW);
	put(p, 1);
	fill_group();
	flag_raise(0);
	put(p + granule(), 1);
}

static u64 cpu_time_ns(pid_t pid)
{
	struct timespec used;
	clockid_t clock;

	CHECK(!clock_getcpuclockid(pid, &clock));
	CHECK_OK(clock_gettime(clock, &used));
	return used.tv_sec * 1000000000ULL + used.tv_nsec;
}

static bool somebody_waits(void)
{
	char text[128];

	file_read(FROM "/memory.oom_control", text, sizeof(text));
	return strstr(text, "under_oom 1");
}

static void wait_for_memory(void)
{
	u64 used = IDLE_NS, before;
	int status, fd, tries, i;
	pid_t pid;

	need_groups1();
	file_write(FROM "/memory.swappiness", "0");
	file_write(FROM "/memory.oom_control", "1");
	put(simple_region("a", PAGE, &fd), 1);
	file_write(FROM "/memory.limit_in_bytes", LIMIT);
	pid = spawn(test_arg, NULL);
	flag_await(0, 1);
	for (tries = 0; tries < 100 && !somebody_waits(); tries++)
		usleep(50000);
	/* One that spins does so in each second; one that waits may have tried again in some. */
	for (i = 0; i < 5 && tries < 100 && used >= IDLE_NS; i++) {
		before = cpu_time_ns(pid);
		sleep(1);
		used = cpu_time_ns(pid) - before;
	}
	file_write(FROM "/memory.limit_in_bytes", MORE);
	status = join(pid);
	CHECK_OK(unlink(in_mnt("a")));
	if (test_arg == table_of_region)
		CHECK_OK(unlink(in_mnt("b")));
	drop_groups1();
	CHECK_MSG(tries < 100, "nobody waits");
	CHECK_MSG(used < IDLE_NS, "who waits took %llu ns of a second", (unsigned long long)used);
	CHECK_MSG(status == 0, "wait status %#x", status);
}

static const struct test_case cases[] = {
	{ "a process that moves takes a memfd's charges along, a region's not", move, .slow = 2 },
	{ "a full group that kills nobody: who needs a table to the region waits",
	  wait_for_memory, table_of_client, .slow = 2 },
	{ "a full group that kills nobody: who needs a table of the region waits",
	  wait_for_memory, table_of_region, .slow = 2 },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
