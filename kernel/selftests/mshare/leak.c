// SPDX-License-Identifier: GPL-2.0
/*
 * Nothing leaks: a thousand rounds of create, attach, kill -9 and unlink, and
 * every counter is back where it was.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "level.h"
#include "region.h"

#define WARM_UP		30

/*
 * Objects of a slab cache that may come and go by themselves, beside what lies free in the slabs of
 * CPUs: a leak is one a round. Of caches of 32 bytes and less that is too much to notice one.
 */
#define SLAB_SLACK	50

static long rounds(void)
{
	return opt_rounds ? (long)opt_rounds : *(const long *)test_arg;
}

static void many(void (*round)(unsigned long i))
{
	struct level before;
	long i;

	for (i = 0; i < WARM_UP; i++)
		round(i);
	level_read(&before);
	if (!before.slabs)
		test_note("no /proc/slabinfo: slab caches are not looked at");
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

static const long thousand = 1000, hundreds = 300;

static const struct test_case cases[] = {
	{ "create, attach, kill -9, unlink", create_attach_kill_unlink, &thousand, .slow = 5 },
	{ "CREATE_MAPPING, split and UNMAP", create_and_unmap_objects, &hundreds, .slow = 2 },
	{ "attach and detach", attach_and_detach, &hundreds, .slow = 2 },
	{ "calls that are refused", refused_calls, &hundreds, "size=8m", .slow = 2 },
	{ "umount with regions that have only names", mounts_with_regions, &hundreds, .slow = 2 },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
