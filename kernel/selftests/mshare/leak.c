// SPDX-License-Identifier: GPL-2.0
/*
 * Nothing leaks: a thousand rounds of create, attach, kill -9 and unlink, and
 * every counter is back where it was. The same for each kind of memory that a
 * region can have, and for the cgroup that it is charged to.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "groups.h"
#include "level.h"
#include "objfile.h"
#include "region.h"

#define WARM_UP		30

/*
 * Objects of a slab cache that may come and go by themselves, beside what lies free in the slabs of
 * CPUs: a leak is one a round. Of caches of 32 bytes and less that is too much to notice one.
 */
#define SLAB_SLACK	50

/* A quick run has as many as it takes to tell one object a round from the slack. */
static long rounds(void)
{
	long usual = *(const long *)test_arg;

	if (opt_rounds)
		return opt_rounds;
	return opt_quick && usual > 150 ? 150 : usual;
}

static void many(void (*round)(unsigned long i))
{
	struct level before;
	long i;

	for (i = 0; i < WARM_UP; i++)
		round(i);
	level_read(&before);
	if (!before.slabs)
		test_note("no /sys/kernel/slab: slab caches are not looked at");
	for (i = 0; i < rounds(); i++)
		round(i);
	level_check(&before, SLAB_SLACK);
}

static void creator(void *arg)
{
	unsigned long i = (uintptr_t)arg;
	char *p;
	int fd;

	p = simple_region("a", 16 * PAGE, &fd);
	CHECK_OK(object_add(fd, (i % 200) * 5 * MIB + 2 * MIB, 4 * PAGE));
	put(p + (i % 200) * 5 * MIB + 2 * MIB, 1);
	put(p + i % 16 * PAGE, 1);
	flag_raise(0);
	for (;;)
		pause();
}

static void attacher(void *arg)
{
	unsigned long i = (uintptr_t)arg;
	char *p = region_map(region_open("a", O_RDWR), RW);
	int k;

	for (k = 0; k < 8; k++)
		put(p + (i + k) % 16 * PAGE, 2);
	flag_raise(1);
	for (;;)
		pause();
}

/* The order of the ends differs from round to round. */
static void round_with_kill(unsigned long i)
{
	pid_t first, second;

	memset(shared, 0, sizeof(*shared));
	first = spawn(creator, (void *)i);
	flag_await(0, 1);
	second = spawn(attacher, (void *)i);
	if (i % 4)
		flag_await(1, 1);
	else
		usleep(i % 7 * 300);	/* while it opens, maps or touches */
	if (i % 2)
		CHECK_OK(unlink(in_mnt("a")));
	kill(i % 3 ? first : second, SIGKILL);
	kill(first, SIGKILL);
	kill(second, SIGKILL);
	join(first);
	join(second);
	if (i % 2 == 0)
		CHECK_OK(unlink(in_mnt("a")));
}

static void create_attach_kill_unlink(void)
{
	many(round_with_kill);
}

static void round_of_objects(unsigned long i)
{
	static int fd = -1;
	static char *p;

	if (fd == -1) {
		fd = region_new("objects", 1);
		p = region_map(fd, RW);
	}
	CHECK_OK(object_add(fd, (i % 100) * 9 * MIB, 8 * PAGE));
	put(p + (i % 100) * 9 * MIB, 1);
	CHECK_OK(object_add(fd, (i % 100) * 9 * MIB + 2 * PAGE, 2 * PAGE));	/* splits it */
	put(p + (i % 100) * 9 * MIB + 2 * PAGE, 1);
	CHECK_OK(object_del(fd, 0, granule()));
}

/* Tables stay with a region while it lives, so this one visits the same places again. */
static void create_and_unmap_objects(void)
{
	unsigned long i;

	for (i = 0; i < 100; i++)
		round_of_objects(i);
	many(round_of_objects);
}

static void round_of_attach(unsigned long i)
{
	static int fd = -1;
	char *p;

	if (fd == -1) {
		fd = region_new("attach", 3);
		CHECK_OK(object_add(fd, 0, MIB));
		CHECK_OK(object_add(fd, 2 * granule(), MIB));
	}
	p = region_map(fd, i % 2 ? RW : PROT_READ);
	get(p + i % 256 * PAGE);
	get(p + 2 * granule());
	if (i % 3 == 0)
		CHECK_OK(munmap(p + granule(), granule()));
	CHECK_OK(munmap(p, 3 * granule()));
}

static void attach_and_detach(void)
{
	int i;

	for (i = 0; i < 512; i++)
		round_of_attach(i);
	many(round_of_attach);
}

static void round_of_failures(unsigned long i)
{
	int fd = region_file("f");

	(void)i;
	CHECK_ERR(mmap(NULL, granule(), RW, MAP_SHARED, fd, 0), EINVAL);
	CHECK_ERR(object_add(fd, 0, PAGE), EINVAL);
	CHECK_ERR(ftruncate(fd, 1), EINVAL);
	CHECK_OK(ftruncate(fd, granule()));
	CHECK_ERR(mmap(NULL, granule(), RW, MAP_PRIVATE, fd, 0), EINVAL);
	CHECK_ERR(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0), EINVAL);
	CHECK_OK(object_add(fd, 0, MIB));
	CHECK_ERR(object_add(fd, 0, MIB + 1), EINVAL);
	CHECK_ERR(object_add(fd, MIB, 64 * MIB), ENOSPC);
	CHECK_ERR(object_create(fd, MIB, MIB, RW, ANON, 5, 0), EINVAL);
	CHECK_OK(close(fd));
	CHECK_OK(unlink(in_mnt("f")));
}

static void refused_calls(void)
{
	many(round_of_failures);
}

static void round_of_mounts(unsigned long i)
{
	char *p;
	int fd;

	(void)i;
	p = simple_region("a", MIB, &fd);
	put(p, 1);
	CHECK_OK(munmap(p, granule()));
	CHECK_OK(close(fd));
	CHECK_OK(umount(test_mnt));
	CHECK_OK(mount("msharefs", test_mnt, "msharefs", 0, "size=8m,nr_regions=4"));
}

static void mounts_with_regions(void)
{
	many(round_of_mounts);
}

static void come_and_go(void *arg)
{
	unsigned long i = (uintptr_t)arg;
	int fd;
	char *p = simple_region("a", 16 * PAGE, &fd);

	put(p + i % 16 * PAGE, 1);
	if (i % 3 == 0)
		CHECK_OK(munmap(p, granule()));
}

static void visit(void *arg)
{
	put(region_map(region_open("a", O_RDWR), RW), (uintptr_t)arg);
}

/* Nobody is killed: all that a process has of a region goes as it exits. */
static void round_with_exit(unsigned long i)
{
	join_ok(spawn(come_and_go, (void *)i));
	if (i % 2)
		join_ok(spawn(visit, (void *)i));
	CHECK_OK(unlink(in_mnt("a")));
}

static void create_attach_exit_unlink(void)
{
	many(round_with_exit);
}

/* Its parts go in an order that differs from round to round. */
static void end_region(char *p, int fd, unsigned long i)
{
	if (i % 3 == 0)
		CHECK_OK(object_del(fd, 0, granule()));
	if (i % 2)
		CHECK_OK(unlink(in_mnt("a")));
	CHECK_OK(munmap(p, granule()));
	CHECK_OK(close(fd));
	if (i % 2 == 0)
		CHECK_OK(unlink(in_mnt("a")));
}

/* One of them is touched, another is only reserved, and may go before the rest. */
static void round_of_huge_pages(unsigned long i)
{
	int fd = region_new("a", 1);
	char *p = region_map(fd, RW);

	CHECK_OK(object_create(fd, 0, 3 * HUGE, RW, ANON | MAP_HUGETLB, -1, 0));
	put(p + i % 3 * HUGE, 1);
	if (i % 4 == 0)
		CHECK_OK(object_del(fd, HUGE, HUGE));
	end_region(p, fd, i);
}

static void huge_pages(void)
{
	need_pool(3);
	many(round_of_huge_pages);
}

static const char *kind;

/* The descriptor of the file may go before the region. */
static void round_of_files(unsigned long i)
{
	int file = pattern_file(kind, 4), fd;
	char *p = file_region(file, 4, &fd);

	check_pattern(p, PAGE, 1);
	put(p + 2 * PAGE, 1);
	if (i % 4 < 2)
		CHECK_OK(close(file));
	end_region(p, fd, i);
	if (i % 4 >= 2)
		CHECK_OK(close(file));
}

static void objects_of_memfds(void)
{
	kind = memfd;
	many(round_of_files);
}

static void objects_of_files_on_a_disk(void)
{
	kind = disk;
	many(round_of_files);
	remove_files();
}

/* Half of it comes back before the region goes. */
static void round_in_swap(unsigned long i)
{
	int fd;
	char *p = simple_region("a", 8 * PAGE, &fd);

	fill(p, 8 * PAGE, i);
	CHECK_OK(madvise(p, 8 * PAGE, MADV_PAGEOUT));
	check_pattern(p, i % 2 * 4 * PAGE, i);
	end_region(p, fd, i);
}

static void pages_in_swap(void)
{
	u64 before = vm_stat("pswpout");

	need_swap(16 * MIB);
	many(round_in_swap);
	mem_kib("SwapFree");	/* folds the counters of the CPUs, too */
	test_note("%llu pages were written", (unsigned long long)(vm_stat("pswpout") - before));
	CHECK(vm_stat("pswpout") - before > 4 * (u64)rounds());
}

static long were_huge;

/* Of some of them a part goes first. */
static void round_of_large_folios(unsigned long i)
{
	int fd;
	char *p = simple_region("a", HUGE, &fd);

	put(p + i % 512 * PAGE, 1);
	were_huge += mem_kib("ShmemPmdMapped") > 0;
	if (i % 4 == 1)
		CHECK_OK(object_del(fd, 8 * PAGE, 16 * PAGE));
	end_region(p, fd, i);
}

static void large_folios(void)
{
	test_set(SHMEM_ENABLED, "always");
	many(round_of_large_folios);
	test_note("%ld of %ld were huge", were_huge, rounds() + WARM_UP);
	CHECK(were_huge);
}

static void create_in_group(void *arg)
{
	int fd;

	enter_group(in_group("leak/child", ""));
	put(simple_region("a", 16 * PAGE, &fd) + (uintptr_t)arg % 16 * PAGE, 1);
}

/* The group goes before the region or after it. */
static void round_in_group(unsigned long i)
{
	char *p;
	int fd;

	group_new("leak/child");
	join_ok(spawn(create_in_group, (void *)i));
	if (i % 2)
		group_remove("leak/child");
	fd = region_open("a", O_RDWR);
	p = region_map(fd, RW);
	fill(p, 4 * PAGE, i);
	end_region(p, fd, i);
	if (i % 2 == 0)
		group_remove("leak/child");
}

/* What has ended, but for references to it. */
static long dying_groups(void)
{
	return group_line("leak", "cgroup.stat", "nr_dying_descendants ");
}

static void groups_of_creators(void)
{
	/* Each CPU may keep the one that it charged last. */
	long most = 2 * sysconf(_SC_NPROCESSORS_ONLN), left;
	int tries;

	need_groups();
	group_new("leak");
	group_set("leak", "cgroup.subtree_control", "+memory");
	many(round_in_group);
	for (tries = 0, left = dying_groups(); left > most && tries < 50; tries++) {
		usleep(100000);
		left = dying_groups();
	}
	test_note("%ld of %ld groups are left", left, rounds() + WARM_UP);
	CHECK(left <= most);
	group_remove("leak");
	drop_groups();
}

static const long thousand = 1000, hundreds = 300;

static const struct test_case cases[] = {
	{ "create, attach, kill -9, unlink", create_attach_kill_unlink, &thousand, .slow = 5 },
	{ "create, attach, exit, unlink", create_attach_exit_unlink, &thousand, .slow = 5 },
	{ "CREATE_MAPPING, split and UNMAP", create_and_unmap_objects, &hundreds, .slow = 2 },
	{ "attach and detach", attach_and_detach, &hundreds, .slow = 2 },
	{ "calls that are refused", refused_calls, &hundreds, "size=8m", .slow = 2 },
	{ "umount with regions that have only names", mounts_with_regions, &hundreds, .slow = 2 },
	{ "objects of huge pages", huge_pages, &hundreds, .slow = 2 },
	{ "objects of memfds", objects_of_memfds, &hundreds, .slow = 2 },
	{ "objects of files on a disk", objects_of_files_on_a_disk, &hundreds, .slow = 2 },
	{ "regions that go while pages are in swap", pages_in_swap, &hundreds, .slow = 2 },
	{ "huge pages by shmem_enabled", large_folios, &hundreds, .slow = 2 },
	{ "a cgroup for each region, which is removed", groups_of_creators, &hundreds, .slow = 2 },
};

int main(int argc, char **argv)
{
	int result = test_main(argc, argv, cases, ARRAY_SIZE(cases));

	remove_files();
	return result;
}
