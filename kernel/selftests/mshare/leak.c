// SPDX-License-Identifier: GPL-2.0
/*
 * Nothing leaks: a thousand rounds of create, attach, kill -9 and unlink, and
 * every counter is back where it was.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "region.h"

#define WARM_UP		30
#define SLABS		64

/* Objects of a slab cache that may come and go by themselves; a leak is one a round. */
#define SLAB_SLACK	50

static long rounds(void)
{
	return opt_rounds ? (long)opt_rounds : *(const long *)test_arg;
}

struct level {
	long tables, shmem, committed;
	struct {
		char name[64];
		long objects;
	} slab[SLABS];
	size_t slabs;
};

static bool interesting(const char *name)
{
	static const char * const part[] = {
		"mm_struct", "vm_area", "vma_lock", "inode_cache", "filp", "dentry", "anon_vma",
		"maple_node", "task_struct", "mshare", "signal_cache", "pid",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(part); i++)
		if (strstr(name, part[i]))
			return true;
	return false;
}

/* The files that shrink a cache, opened once: their own dentries are the same in each reading. */
struct shrinkers {
	int fd[512];
	size_t count;
};

static const struct shrinkers *shrinkers(void)
{
	static struct shrinkers all;
	struct dirent *entry;
	DIR *dir;

	if (all.count)
		return &all;
	dir = opendir("/sys/kernel/slab");
	while (dir && all.count < ARRAY_SIZE(all.fd) && (entry = readdir(dir))) {
		char path[384];
		int fd;

		snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink", entry->d_name);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd != -1)
			all.fd[all.count++] = fd;
	}
	if (dir)
		closedir(dir);
	return &all;
}

/*
 * What no object needs is freed, so that the numbers of /proc/slabinfo tell
 * what is in use. Twice: an entry that was used since the last pass is spared
 * by the first, and a cache counts a CPU's half-empty slab as full.
 */
static void settle(void)
{
	const struct shrinkers *all = shrinkers();
	size_t i, pass;

	sync();
	usleep(300000);		/* RCU and deferred frees */
	for (pass = 0; pass < 2; pass++) {
		file_write("/proc/sys/vm/drop_caches", "3\n");
		for (i = 0; i < all->count; i++)
			if (write(all->fd[i], "1", 1) != 1)
				test_note("a slab cache was not shrunk");
	}
}

static void read_slabs(struct level *level)
{
	FILE *file = fopen("/proc/slabinfo", "r");
	char line[512];

	level->slabs = 0;
	while (file && fgets(line, sizeof(line), file) && level->slabs < SLABS) {
		char name[64];
		long objects;

		if (sscanf(line, "%63s %ld", name, &objects) != 2 || !interesting(name))
			continue;
		memcpy(level->slab[level->slabs].name, name, sizeof(name));
		level->slab[level->slabs++].objects = objects;
	}
	if (file)
		fclose(file);
}

static void read_level(struct level *level)
{
	settle();
	level->tables = mem_kib("PageTables");
	level->shmem = mem_kib("Shmem");
	level->committed = mem_kib("Committed_AS");
	read_slabs(level);
}

static bool same_level(const struct level *before, const struct level *after, bool tell)
{
	bool same = true;
	size_t i, k;

	/*
	 * A page that is lost in each round is more than this. The root of a
	 * guest is Shmem, too: pages of our programs come back from swap.
	 */
	if (after->tables - before->tables > 64 || after->shmem - before->shmem > 128 ||
	    after->committed - before->committed > 2048)
		same = false;
	for (i = 0; i < after->slabs; i++) {
		for (k = 0; k < before->slabs; k++) {
			long more = after->slab[i].objects - before->slab[k].objects;

			if (strcmp(after->slab[i].name, before->slab[k].name) || more <= SLAB_SLACK)
				continue;
			if (tell)
				test_note("slab %s: %ld objects more", after->slab[i].name, more);
			same = false;
		}
	}
	if (tell)
		test_note("PageTables %+ld KiB, Shmem %+ld KiB, Committed_AS %+ld KiB, %zu slabs",
			  after->tables - before->tables, after->shmem - before->shmem,
			  after->committed - before->committed, after->slabs);
	return same;
}

static void back_where_it_was(const struct level *before)
{
	struct level after;
	int tries;

	for (tries = 0; tries < 5; tries++) {
		read_level(&after);
		if (same_level(before, &after, tries == 4))
			return;
	}
	test_fail(__FILE__, __LINE__, "something stays");
}

static void many(void (*round)(unsigned long i))
{
	struct level before;
	long i;

	for (i = 0; i < WARM_UP; i++)
		round(i);
	read_level(&before);
	if (!before.slabs)
		test_note("no /proc/slabinfo: slab caches are not looked at");
	for (i = 0; i < rounds(); i++)
		round(i);
	back_where_it_was(&before);
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
