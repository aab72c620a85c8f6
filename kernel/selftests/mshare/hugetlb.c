// SPDX-License-Identifier: GPL-2.0
/*
 * Objects of huge pages, from the machine's pool, which each case sets.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "groups.h"
#include "region.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE	0x100000
#endif

#define SMALL		(HUGE / PAGE)	/* small pages in a huge one */
#define HUGE_ANON	(ANON | MAP_HUGETLB)
#define SIZE_BITS(log)	((unsigned int)(log) << 26)

/* The first bytes of each page have a pattern: all of it takes too long where CPUs are emulated. */
#define MARK		64

static void mark(char *p, u64 size, u64 seed)
{
	u64 i;

	for (i = 0; i < size; i += PAGE)
		fill(p + i, MARK, seed + i);
}

static void check_marks(const char *p, u64 size, u64 seed)
{
	u64 i;

	for (i = 0; i < size; i += PAGE)
		check_pattern(p + i, MARK, seed + i);
}

static void check_no_marks(const char *p, u64 size)
{
	u64 i;

	for (i = 0; i < size; i += PAGE)
		check_zero(p + i, MARK);
}

/* So many pages of the pool are free, and so many of these are promised. */
static void check_pool(const char *file, int line, long free, long reserved)
{
	long is_free = mem_kib("HugePages_Free"), is_reserved = mem_kib("HugePages_Rsvd");

	if (is_free != free || is_reserved != reserved)
		test_fail(file, line, "%ld huge pages are free, %ld reserved; expected %ld, %ld",
			  is_free, is_reserved, free, reserved);
}

#define CHECK_POOL(free, reserved)	check_pool(__FILE__, __LINE__, free, reserved)

static int huge_add(int region, u64 at, u64 size)
{
	return object_create(region, at, size, RW, HUGE_ANON, -1, 0);
}

/* A pool, and the region "a" with an object of some huge pages at 0; mapped. */
static char *huge_region(long pool, u64 pages, int *region)
{
	need_pool(pool);
	*region = region_new("a", 1);
	CHECK_OK(huge_add(*region, 0, pages * HUGE));
	return region_map(*region, RW);
}

/*
 * Of several counts of faults, the lowest is the region's: memory that made room for the pool can
 * still be moving, and some of it is this process's own.
 */
static long fewer(long least, long faults)
{
	return faults < least ? faults : least;
}

static void touched_and_unmapped(void)
{
	int region;
	char *p = huge_region(8, 4, &region);
	unsigned char c;
	long least = LONG_MAX, before;
	u64 i;

	CHECK_POOL(8, 4);
	for (i = 0; i < 4; i++) {
		CHECK(get(p + i * HUGE + 5) == 0);
		CHECK_POOL(7 - (long)i, 3 - (long)i);
		before = faults();
		memset(p + i * HUGE, 1, HUGE);
		least = fewer(least, faults() - before);
	}
	CHECK_MSG(least <= 1, "%ld faults", least);
	mark(p, 4 * HUGE, 1);
	CHECK_POOL(4, 0);
	check_marks(p, 4 * HUGE, 1);
	check_marks(region_map(region, PROT_READ), 4 * HUGE, 1);
	CHECK(peek(p + 4 * HUGE, &c) == SIGSEGV);
	CHECK_OK(object_del(region, 0, granule()));
	CHECK_POOL(8, 0);
	CHECK(peek(p, &c) == SIGSEGV && poke(p + 4 * HUGE - 1, 1) == SIGSEGV);
}

static void freed_with_region(void)
{
	int region;
	char *p = huge_region(4, 4, &region);

	mark(p, 2 * HUGE, 1);
	CHECK_POOL(2, 2);
	CHECK_OK(close(region));
	CHECK_OK(unlink(in_mnt("a")));
	check_marks(p, 2 * HUGE, 1);
	CHECK_OK(munmap(p, granule()));
	CHECK_POOL(4, 0);
}

static void second_process(void *arg)
{
	int region = region_open("a", O_RDWR), tries;
	long least = LONG_MAX;
	char *p;

	(void)arg;
	for (tries = 0; tries < 3; tries++) {
		p = region_map(region, RW);
		least = fewer(least, faults_of_loads(p, 4 * HUGE));
	}
	CHECK_MSG(least <= 1, "%ld faults", least);
	check_marks(p, 4 * HUGE, 1);
	mark(p + HUGE, HUGE, 2);
}

static void two_processes(void)
{
	int region;
	char *p = huge_region(4, 4, &region);

	mark(p, 4 * HUGE, 1);
	join_ok(spawn(second_process, NULL));
	check_marks(p, HUGE, 1);
	check_marks(p + HUGE, HUGE, 2);
	CHECK_POOL(0, 0);
}

static void not_aligned(void)
{
	int region = region_new("a", 1);
	struct fdinfo info;

	need_pool(4);
	CHECK_ERR(huge_add(region, PAGE, HUGE), EINVAL);
	CHECK_ERR(huge_add(region, HUGE / 2, HUGE), EINVAL);
	CHECK_ERR(huge_add(region, 0, PAGE), EINVAL);
	CHECK_ERR(huge_add(region, 0, HUGE + PAGE), EINVAL);
	CHECK_ERR(huge_add(region, 0, HUGE + HUGE / 2), EINVAL);
	CHECK_ERR(huge_add(region, granule(), HUGE), EINVAL);
	CHECK_ERR(huge_add(region, granule() - HUGE, 2 * HUGE), EINVAL);
	CHECK_ERR(object_create(region, 0, HUGE, RW | PROT_EXEC, HUGE_ANON, -1, 0), EINVAL);
	CHECK_ERR(object_create(region, 0, HUGE, RW, HUGE_ANON, region, 0), EINVAL);
	fdinfo_read(region, &info);
	CHECK(info.objects == 0);
	CHECK_POOL(4, 0);
	CHECK_OK(huge_add(region, granule() - HUGE, HUGE));
}

static void sizes(void)
{
	static const unsigned int bad[] = { 12, 16, 20, 22, 25, 29, 30, 34 };
	int region = region_new("a", 1);
	size_t i;

	need_pool(2);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		int ret = object_create(region, 0, granule(), RW, HUGE_ANON | SIZE_BITS(bad[i]),
					-1, 0);

		CHECK_MSG(ret == -1 && errno == EINVAL, "size 2^%u: returned %d, %s", bad[i], ret,
			  strerror(errno));
	}
	CHECK_ERR(object_create(region, 0, HUGE, RW, ANON | SIZE_BITS(21), -1, 0), EINVAL);
	CHECK_OK(object_create(region, 0, HUGE, RW, HUGE_ANON | SIZE_BITS(21), -1, 0));
	put(region_map(region, RW), 1);
	CHECK_POOL(1, 0);
}

static void pool_too_small(void)
{
	int region = region_new("a", 1);
	char *p = region_map(region, RW);
	struct fdinfo info;

	need_pool(2);
	CHECK_OK(object_add(region, 0, 4 * HUGE));
	mark(p, 4 * HUGE, 1);
	CHECK_ERR(huge_add(region, 0, 3 * HUGE), ENOMEM);
	CHECK_ERR(huge_add(region, 8 * HUGE, 3 * HUGE), ENOMEM);
	CHECK_ERR(huge_add(region, 0, granule()), ENOMEM);
	check_marks(p, 4 * HUGE, 1);
	fdinfo_read(region, &info);
	CHECK(info.objects == 1);
	fdinfo_check(&info, 0, 0, 4 * HUGE, "rw");
	CHECK_POOL(2, 0);
	CHECK_OK(huge_add(region, 8 * HUGE, 2 * HUGE));
	CHECK_ERR(huge_add(region, 16 * HUGE, HUGE), ENOMEM);
	mark(p + 8 * HUGE, 2 * HUGE, 2);
	CHECK_ERR(huge_add(region, 16 * HUGE, HUGE), ENOMEM);
	check_marks(p + 8 * HUGE, 2 * HUGE, 2);
	CHECK_POOL(0, 0);
}

/* What is refused leaves no page reserved. */
static void reserves_nothing(void)
{
	int region;
	char *p = huge_region(6, 1, &region);

	mark(p, HUGE, 1);
	CHECK_ERR(object_create(region, 0, 2 * HUGE, RW,
				MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_ANONYMOUS | MAP_HUGETLB,
				-1, 0), EEXIST);
	CHECK_POOL(5, 0);
	CHECK_ERR(huge_add(region, 4 * HUGE, 4 * HUGE), ENOSPC);	/* past size= */
	CHECK_POOL(5, 0);
	CHECK_OK(huge_add(region, 4 * HUGE, 3 * HUGE));
	CHECK_ERR(object_add(region, 16 * HUGE, PAGE), ENOSPC);
	CHECK_POOL(5, 3);
	check_marks(p, HUGE, 1);
}

/* What is there decides before the pool does: as for mmap, which looks first. */
static void refused_by_what_is_there(void)
{
	int region;
	char *p = huge_region(2, 2, &region);

	mark(p, 2 * HUGE, 1);
	CHECK_POOL(0, 0);
	CHECK_ERR(object_create(region, HUGE, 2 * HUGE, RW,
				MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_ANONYMOUS | MAP_HUGETLB,
				-1, 0), EEXIST);
	CHECK_ERR(huge_add(region, 4 * HUGE, 4 * HUGE), ENOSPC);	/* past size= */
	CHECK_ERR(huge_add(region, 4 * HUGE, HUGE), ENOMEM);
	check_marks(p, 2 * HUGE, 1);
}

static void one_of_several_unmapped(void)
{
	int region;
	char *p = huge_region(6, 4, &region);
	struct fdinfo info;
	unsigned char c;

	mark(p, 4 * HUGE, 1);
	CHECK_POOL(2, 0);
	CHECK_OK(object_del(region, HUGE, HUGE));
	CHECK_POOL(3, 0);
	CHECK(peek(p + HUGE, &c) == SIGSEGV && poke(p + 2 * HUGE - 1, 1) == SIGSEGV);
	check_marks(p, HUGE, 1);
	check_marks(p + 2 * HUGE, 2 * HUGE, 1 + 2 * HUGE);
	fdinfo_read(region, &info);
	CHECK(info.objects == 2);
	fdinfo_check_kind(&info, 0, 0, HUGE, "rw", "hugetlb", "-");
	fdinfo_check_kind(&info, 1, 2 * HUGE, 2 * HUGE, "rw", "hugetlb", "-");
	CHECK_OK(huge_add(region, HUGE, HUGE));
	CHECK(get(p + HUGE) == 0);
	CHECK_POOL(2, 0);
	CHECK_OK(object_del(region, 3 * HUGE, HUGE));
	CHECK_OK(object_del(region, 0, HUGE));
	CHECK_POOL(4, 0);
	check_marks(p + 2 * HUGE, HUGE, 1 + 2 * HUGE);
	CHECK_OK(object_del(region, 0, 4 * HUGE));
	CHECK_POOL(6, 0);
}

/* Pages that were promised and never touched. */
static void untouched_unmapped(void)
{
	int region;
	char *p = huge_region(6, 4, &region);

	CHECK_POOL(6, 4);
	CHECK_OK(object_del(region, HUGE, HUGE));
	CHECK_POOL(6, 3);
	put(p, 1);
	CHECK_OK(object_del(region, 0, 3 * HUGE));
	CHECK_POOL(6, 1);
	put(p + 3 * HUGE, 1);
	CHECK_POOL(5, 0);
	CHECK_OK(object_del(region, 0, 4 * HUGE));
	CHECK_POOL(6, 0);
}

static void huge_page_cut(void)
{
	int region;
	char *p = huge_region(4, 3, &region);
	struct fdinfo info;

	CHECK_OK(object_add(region, 3 * HUGE, HUGE));
	mark(p, 4 * HUGE, 1);
	CHECK_ERR(object_del(region, 0, PAGE), EINVAL);
	CHECK_ERR(object_del(region, PAGE, PAGE), EINVAL);
	CHECK_ERR(object_del(region, 0, HUGE + PAGE), EINVAL);
	CHECK_ERR(object_del(region, HUGE - PAGE, HUGE), EINVAL);
	CHECK_ERR(object_del(region, 3 * HUGE - PAGE, 2 * PAGE), EINVAL);
	CHECK_ERR(object_del(region, HUGE / 2, granule() - HUGE / 2), EINVAL);
	CHECK_ERR(object_add(region, 0, PAGE), EINVAL);
	CHECK_ERR(object_add(region, HUGE + PAGE, PAGE), EINVAL);
	CHECK_ERR(object_add(region, HUGE, 3 * HUGE / 2), EINVAL);
	CHECK_ERR(object_add(region, 3 * HUGE - PAGE, HUGE), EINVAL);
	fdinfo_read(region, &info);
	CHECK_MSG(info.objects == 2, "%d objects", info.objects);
	fdinfo_check_kind(&info, 0, 0, 3 * HUGE, "rw", "hugetlb", "-");
	fdinfo_check(&info, 1, 3 * HUGE, HUGE, "rw");
	check_marks(p, 4 * HUGE, 1);
	CHECK_POOL(1, 0);
}

/* A range that begins in the middle of a small object and ends in that of a huge page. */
static void cut_behind_small(void)
{
	int region = region_new("a", 1);
	char *p = region_map(region, RW);
	struct fdinfo info;

	need_pool(2);
	CHECK_OK(object_add(region, 0, HUGE));
	CHECK_OK(huge_add(region, HUGE, HUGE));
	mark(p, 2 * HUGE, 1);
	CHECK_ERR(object_del(region, PAGE, HUGE), EINVAL);
	CHECK_ERR(object_add(region, PAGE, HUGE), EINVAL);
	check_marks(p, 2 * HUGE, 1);
	fdinfo_read(region, &info);
	CHECK_MSG(info.objects == 2, "%d objects", info.objects);
	fdinfo_check(&info, 0, 0, HUGE, "rw");
	CHECK_POOL(1, 0);
}

static void other_client(void *arg)
{
	char *p = region_map(region_open("a", O_RDWR), RW);
	unsigned char c;

	(void)arg;
	CHECK(get(p) == 1 && get(p + HUGE + PAGE) == 2);
	flag_raise(0);
	flag_await(1, 1);
	check_no_marks(p, 2 * HUGE);
	mark(p, 2 * HUGE, 3);
	flag_raise(0);
	flag_await(1, 2);
	CHECK(peek(p, &c) == SIGSEGV && peek(p + HUGE, &c) == SIGSEGV);
	flag_raise(0);
	flag_await(1, 3);
	check_no_marks(p, 4 * PAGE);
	CHECK(get(p + HUGE) == 4);
	CHECK(peek(p + HUGE - 1, &c) == SIGSEGV);
}

/* The same place holds small pages, huge ones and small ones; another process looks on. */
static void small_and_huge(void)
{
	int region = region_new("a", 1);
	char *p = region_map(region, RW);
	pid_t pid;

	need_pool(2);
	CHECK_OK(object_add(region, 0, PAGE));
	CHECK_OK(object_add(region, HUGE, HUGE));
	put(p, 1);
	put(p + HUGE + PAGE, 2);
	pid = spawn(other_client, NULL);
	flag_await(0, 1);
	CHECK_OK(object_del(region, 0, PAGE));	/* its page table may be left */
	CHECK_OK(huge_add(region, 0, 2 * HUGE));
	CHECK_POOL(2, 2);
	flag_raise(1);
	flag_await(0, 2);
	check_marks(p, 2 * HUGE, 3);
	CHECK_POOL(0, 0);
	CHECK_OK(object_del(region, 0, 2 * HUGE));
	flag_raise(1);
	flag_await(0, 3);
	CHECK_OK(object_add(region, 0, 4 * PAGE));
	CHECK_OK(object_add(region, HUGE, PAGE));
	put(p + HUGE, 4);
	CHECK_POOL(2, 0);
	flag_raise(1);
	join_ok(pid);
	CHECK_OK(huge_add(region, 0, 2 * HUGE));
	check_no_marks(p, 2 * HUGE);
}

/* Part of a small object goes for a huge page: the rest stays, its page table with it. */
static void in_a_small_object(void)
{
	int region = region_new("a", 1);
	char *p = region_map(region, RW);

	need_pool(2);
	CHECK_OK(object_add(region, HUGE / 2, 3 * HUGE));
	mark(p + HUGE / 2, 3 * HUGE, 1);
	CHECK_OK(huge_add(region, HUGE, 2 * HUGE));
	check_no_marks(p + HUGE, 2 * HUGE);
	check_marks(p + HUGE / 2, HUGE / 2, 1);
	check_marks(p + 3 * HUGE, HUGE / 2, 1 + 5 * HUGE / 2);
	mark(p + HUGE, 2 * HUGE, 2);
	CHECK_OK(object_add(region, HUGE, HUGE));
	check_no_marks(p + HUGE, HUGE);
	check_marks(p + 2 * HUGE, HUGE, 2 + HUGE);
	CHECK_POOL(1, 0);
}

/* A process that works by the page tables while their entries change from pages to tables. */
static void busy_reader(void *arg)
{
	char *p = region_map(region_open("a", O_RDWR), RW), buffer[64];
	int null[2];

	(void)arg;
	run_on_cpu(1);
	CHECK_OK(pipe(null));
	flag_raise(0);
	while (!flag_get(1)) {
		unsigned char c;
		int sig = peek(p + 3 * PAGE, &c);
		ssize_t got;

		CHECK_MSG(sig == SIGSEGV || (sig == 0 && (c == 0 || c == 5)), "signal %d, %d", sig,
			  c);
		got = write(null[1], p + 3 * PAGE, sizeof(buffer));
		if (got > 0)
			CHECK(read(null[0], buffer, sizeof(buffer)) == got);
		else
			CHECK(errno == EFAULT);
	}
}

static void changed_below_readers(void)
{
	int region = region_new("a", 1), i, rounds = opt_quick ? 60 : 600;
	char *p = region_map(region, RW);
	pid_t pids[2];

	need_pool(2);
	run_on_cpu(0);
	for (i = 0; i < 2; i++)
		pids[i] = spawn(busy_reader, NULL);
	flag_await(0, 2);
	for (i = 0; i < rounds; i++) {
		if (i % 2)
			CHECK_OK(huge_add(region, 0, HUGE));
		else
			CHECK_OK(object_add(region, 0, HUGE));
		put(p + 3 * PAGE, 5);
		sched_yield();
		if (i % 3 == 0)
			CHECK_OK(object_del(region, 0, HUGE));
	}
	flag_raise(1);
	for (i = 0; i < 2; i++)
		join_ok(pids[i]);
	CHECK_OK(object_del(region, 0, HUGE));
	CHECK_POOL(2, 0);
}

static void child_stores(void *arg)
{
	char *p = arg;

	CHECK(get(p) == 1 && get(p + HUGE) == 0);
	put(p, 2);
	put(p + HUGE, 3);
}

static void store_and_wait(void *arg)
{
	char *p = region_map(region_open("a", O_RDWR), RW);

	(void)arg;
	put(p + 2 * HUGE, 4);
	flag_raise(0);
	for (;;)
		pause();
}

static void processes_come_and_go(void)
{
	int region;
	char *p = huge_region(3, 3, &region);
	pid_t pid;

	put(p, 1);
	join_ok(spawn(child_stores, p));
	CHECK(get(p) == 2 && get(p + HUGE) == 3);
	CHECK_POOL(1, 1);
	pid = spawn(store_and_wait, NULL);
	flag_await(0, 1);
	kill_join(pid);
	CHECK(get(p + 2 * HUGE) == 4);
	CHECK_OK(munmap(p, granule()));
	CHECK_POOL(0, 0);
	p = region_map(region, RW);
	CHECK(get(p) == 2 && get(p + HUGE) == 3 && get(p + 2 * HUGE) == 4);
	CHECK_OK(object_del(region, 0, 3 * HUGE));
	CHECK_POOL(3, 0);
}

/* The kernel's own loads and stores, over the border of two huge pages. */
static void kernel_buffers(void)
{
	int region, pipes[2], ring;
	char *p = huge_region(2, 2, &region), *q = p + HUGE - 2 * PAGE;
	char *own = malloc(4 * PAGE);
	struct iovec ours = { .iov_base = own, .iov_len = 4 * PAGE };
	struct iovec theirs = { .iov_base = q, .iov_len = 4 * PAGE };

	CHECK(own);
	CHECK_OK(pipe(pipes));
	fill(own, 4 * PAGE, 1);
	CHECK(write(pipes[1], own, 4 * PAGE) == 4 * PAGE);
	CHECK(read(pipes[0], q, 4 * PAGE) == 4 * PAGE);	/* as the first touch */
	check_pattern(q, 4 * PAGE, 1);
	CHECK_POOL(0, 0);
	CHECK(write(pipes[1], q, 4 * PAGE) == 4 * PAGE);
	memset(own, 0, 4 * PAGE);
	CHECK(read(pipes[0], own, 4 * PAGE) == 4 * PAGE);
	check_pattern(own, 4 * PAGE, 1);

	CHECK(access(p, F_OK) == -1 && errno == ENOENT);	/* an empty path */
	CHECK(process_vm_readv(getpid(), &ours, 1, &theirs, 1, 0) == 4 * PAGE);
	check_pattern(own, 4 * PAGE, 1);
	fill(own, 4 * PAGE, 2);
	CHECK(process_vm_writev(getpid(), &ours, 1, &theirs, 1, 0) == 4 * PAGE);
	check_pattern(q, 4 * PAGE, 2);

	ring = ring_new();
	CHECK_OK(ring_pin(ring, q, 4 * PAGE));
	ring_unpin(ring);
	CHECK_OK(object_del(region, 0, 2 * HUGE));
	CHECK_ERR(ring_pin(ring, q, 4 * PAGE), EFAULT);
	CHECK_POOL(2, 0);
	free(own);
}

/* Pages stay in use while they are pinned, and go back to the pool after. */
static void pinned_and_unmapped(void)
{
	int region, ring = ring_new(), tries;
	char *p = huge_region(4, 2, &region);

	/* First: a fault by a long-term pin takes no page from ZONE_MOVABLE, where all may be. */
	put(p, 1);
	CHECK_OK(ring_pin(ring, p + PAGE, PAGE));
	mark(p, 2 * HUGE, 1);
	CHECK_OK(object_del(region, 0, HUGE));
	CHECK(mem_kib("HugePages_Free") == 2);
	check_marks(p + HUGE, HUGE, 1 + HUGE);
	ring_unpin(ring);
	for (tries = 0; tries < 200 && mem_kib("HugePages_Free") != 3; tries++)
		usleep(10000);
	CHECK_POOL(3, 0);
}

static void read_only(void)
{
	int region = region_new("a", 1);
	char *p = region_map(region, RW);
	unsigned char c;

	need_pool(3);
	CHECK_OK(object_create(region, 0, HUGE, PROT_READ, HUGE_ANON, -1, 0));
	CHECK_OK(object_create(region, HUGE, HUGE, PROT_NONE, HUGE_ANON, -1, 0));
	CHECK(poke(p, 1) == SIGSEGV);
	check_no_marks(p, HUGE);
	CHECK(poke(p + PAGE, 1) == SIGSEGV);
	CHECK(peek(p + HUGE, &c) == SIGSEGV && poke(p + HUGE, 1) == SIGSEGV);
	CHECK_OK(huge_add(region, 2 * HUGE, HUGE));
	put(p + 2 * HUGE, 1);
	p = region_map(region, PROT_READ);
	CHECK(get(p + 2 * HUGE) == 1 && poke(p + 2 * HUGE, 1) == SIGSEGV);
}

static void in_fdinfo(void)
{
	int region;
	struct fdinfo info;

	huge_region(4, 2, &region);
	CHECK_OK(object_create(region, 4 * HUGE, HUGE, PROT_READ, HUGE_ANON, -1, 0));
	CHECK_OK(object_add(region, 6 * HUGE, HUGE));
	fdinfo_read(region, &info);
	CHECK(info.objects == 3);
	fdinfo_check_kind(&info, 0, 0, 2 * HUGE, "rw", "hugetlb", "-");
	fdinfo_check_kind(&info, 1, 4 * HUGE, HUGE, "r-", "hugetlb", "-");
	fdinfo_check(&info, 2, 6 * HUGE, HUGE, "rw");
}

static void in_proc(void)
{
	static const char * const names[] = {
		"maps", "smaps", "smaps_rollup", "numa_maps", "status", "statm",
	};
	int region, refs;
	char *p = huge_region(2, 2, &region);
	unsigned char vector[2 * SMALL];
	u64 entry[2 * SMALL];
	size_t i, length;

	mark(p, HUGE, 1);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		proc_read(getpid(), names[i], &length);
		CHECK(length > 0);
	}
	CHECK_OK(mincore(p, 2 * HUGE, vector));
	pagemap_read(p, ARRAY_SIZE(entry), entry);
	CHECK(!(entry[SMALL] >> 63));
	refs = open("/proc/self/clear_refs", O_WRONLY);
	CHECK_OK(refs);
	CHECK(write(refs, "1\n", 2) == 2);
	check_marks(p, HUGE, 1);
	CHECK_POOL(1, 1);
}

static void advised(void)
{
	static const int nothing[] = { MADV_PAGEOUT, MADV_COLD, MADV_WILLNEED };
	int region;
	char *p = huge_region(4, 4, &region);
	size_t i;

	CHECK_OK(object_add(region, 4 * HUGE, HUGE));
	mark(p, HUGE, 1);
	mark(p + 4 * HUGE, HUGE, 2);
	for (i = 0; i < ARRAY_SIZE(nothing); i++) {
		CHECK_OK(madvise(p, 4 * HUGE, nothing[i]));
		CHECK_OK(madvise(p + PAGE, HUGE, nothing[i]));
		CHECK_OK(madvise(p + HUGE / 2, 4 * HUGE, nothing[i]));
		CHECK_POOL(3, 3);
		check_marks(p, HUGE, 1);
		check_marks(p + 4 * HUGE, HUGE, 2);
	}
	CHECK_OK(madvise(p + HUGE, HUGE, MADV_POPULATE_READ));
	CHECK_POOL(2, 2);
	CHECK_OK(madvise(p + 2 * HUGE, 2 * HUGE, MADV_POPULATE_WRITE));
	CHECK_POOL(0, 0);
	check_no_marks(p + HUGE, 3 * HUGE);
	CHECK_ERR(madvise(p, HUGE, MADV_DONTNEED), EINVAL);
	CHECK_ERR(madvise(p, HUGE, MADV_REMOVE), EINVAL);
	check_marks(p, HUGE, 1);
}

#define ATTACHED	16
#define APART		8	/* huge pages, each in a granule of its own */

static void touch_and_wait(void *arg)
{
	char *p = region_map(region_open("a", O_RDWR), RW);
	long before;
	u64 i;

	(void)arg;
	before = status_of(getpid(), "VmPTE");
	flag_raise(0);
	flag_await(1, 1);
	for (i = 0; i < APART; i++)
		CHECK(get(p + i * granule() + HUGE - 1) == 1);
	before = status_of(getpid(), "VmPTE") - before;
	/* Tables of its own would be one for each granule, beside those above. */
	CHECK_MSG(before <= (long)(2 * PAGE / KIB), "VmPTE grew by %ld KiB", before);
	flag_raise(0);
	flag_await(1, 2);
}

static void page_tables(void)
{
	long before, grown;
	pid_t pids[ATTACHED];
	int region;
	char *p;
	size_t i;

	need_pool(APART);
	region = region_new("a", APART);
	p = region_map(region, RW);
	for (i = 0; i < APART; i++) {
		CHECK_OK(huge_add(region, i * granule(), HUGE));
		memset(p + i * granule(), 1, HUGE);
	}
	for (i = 0; i < ATTACHED; i++)
		pids[i] = spawn(touch_and_wait, NULL);
	flag_await(0, ATTACHED);
	before = mem_kib("PageTables");
	flag_raise(1);
	flag_await(0, 2 * ATTACHED);
	grown = mem_kib("PageTables") - before;
	test_note("%d processes: PageTables grew by %ld KiB", ATTACHED, grown);
	CHECK_MSG(grown <= (long)(2 * ATTACHED * PAGE / KIB) + 16, "grew by %ld KiB", grown);
	flag_raise(1);
	for (i = 0; i < ATTACHED; i++)
		join_ok(pids[i]);
}

static void create_in_group(void *arg)
{
	(void)arg;
	enter_group(in_group("creator", ""));
	CHECK_OK(huge_add(region_new("a", 1), 0, 2 * HUGE));
}

static void touch_in_group(void *arg)
{
	(void)arg;
	enter_group(in_group("toucher", ""));
	put(region_map(region_open("a", O_RDWR), RW), 1);
}

#define PAGES		"hugetlb.2MB.current"
#define RESERVED	"hugetlb.2MB.rsvd.current"

static void charged_by_controller(void)
{
	need_pool(2);
	need_groups();
	need_controller("hugetlb");
	group_new("creator");
	group_new("toucher");
	join_ok(spawn(create_in_group, NULL));
	CHECK(group_get("creator", RESERVED) == 2 * HUGE && group_get("creator", PAGES) == 0);
	join_ok(spawn(touch_in_group, NULL));
	CHECK(group_get("creator", RESERVED) == 2 * HUGE && group_get("creator", PAGES) == 0);
	CHECK(group_get("toucher", RESERVED) == 0 && group_get("toucher", PAGES) == HUGE);
	CHECK_OK(unlink(in_mnt("a")));
	CHECK(group_get("creator", RESERVED) == 0 && group_get("toucher", PAGES) == 0);
	group_remove("creator");
	group_remove("toucher");
	drop_groups();
}

/* Not present, and "in swap", as entries of no page are. */
static bool is_poisoned(char *p)
{
	u64 entry[SMALL];

	pagemap_read(p, SMALL, entry);
	return entry[0] >> 62 == 1;
}

/* pagemap and the other walkers find an entry that is neither a page nor one of migration. */
static void poisoned(void)
{
	int region;
	char *p = huge_region(2, 2, &region);
	unsigned char c;
	size_t length;

	mark(p, 2 * HUGE, 1);
	poison(p);
	check_marks(p + HUGE, HUGE, 1 + HUGE);
	CHECK(is_poisoned(p));
	proc_read(getpid(), "smaps", &length);
	proc_read(getpid(), "numa_maps", &length);
	CHECK_OK(object_del(region, 0, 2 * HUGE));
	CHECK(peek(p, &c) == SIGSEGV && peek(p + HUGE, &c) == SIGSEGV);
}

#define KDAMONDS	"/sys/kernel/mm/damon/admin/kdamonds"
#define WATCHED		200	/* pieces of memory that DAMON has judged, one after the other */

static void damon_set(const char *name, u64 value)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), KDAMONDS "/0/contexts/0/%s", name);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	file_write(path, text);
}

static void need_damon(void)
{
	char text[32];

	if (access(KDAMONDS, F_OK))
		test_skip("the kernel has no DAMON");
	file_read(KDAMONDS "/nr_kdamonds", text, sizeof(text));
	if (strtoul(text, NULL, 10))
		test_skip("DAMON is in use");
}

/* Let DAMON look at a range of this process, again and again, and count. */
static void watch(char *p, u64 size)
{
	file_write(KDAMONDS "/nr_kdamonds", "1");
	file_write(KDAMONDS "/0/contexts/nr_contexts", "1");
	file_write(KDAMONDS "/0/contexts/0/operations", "fvaddr");
	damon_set("monitoring_attrs/intervals/sample_us", 1000);
	damon_set("monitoring_attrs/intervals/aggr_us", 10000);
	damon_set("targets/nr_targets", 1);
	damon_set("targets/0/pid_target", getpid());
	damon_set("targets/0/regions/nr_regions", 1);
	damon_set("targets/0/regions/0/start", (uintptr_t)p);
	damon_set("targets/0/regions/0/end", (uintptr_t)p + size);
	damon_set("schemes/nr_schemes", 1);
	file_write(KDAMONDS "/0/contexts/0/schemes/0/action", "stat");
	damon_set("schemes/0/access_pattern/sz/max", size);
	damon_set("schemes/0/access_pattern/nr_accesses/max", UINT32_MAX);
	damon_set("schemes/0/access_pattern/age/max", UINT32_MAX);
	file_write(KDAMONDS "/0/state", "on");
}

static unsigned long judged(void)
{
	char text[32];

	file_write(KDAMONDS "/0/state", "update_schemes_stats");
	file_read(KDAMONDS "/0/contexts/0/schemes/0/stats/nr_tried", text, sizeof(text));
	return strtoul(text, NULL, 10);
}

/* DAMON walks as if a VMA that is not marked as one of huge pages had none. */
static void watched(void)
{
	int region, tries;
	char *p = huge_region(2, 2, &region);
	unsigned char c;

	need_damon();
	mark(p, 2 * HUGE, 1);
	poison(p);
	watch(p, 2 * HUGE);
	for (tries = 0; tries < 200 && judged() < WATCHED; tries++)
		usleep(50000);
	file_write(KDAMONDS "/0/state", "off");
	file_write(KDAMONDS "/nr_kdamonds", "0");
	CHECK_MSG(tries < 200, "DAMON does not look");
	CHECK(is_poisoned(p));
	CHECK(peek(p, &c) == SIGBUS);
	check_marks(p + HUGE, HUGE, 1 + HUGE);
}

static const struct test_case cases[] = {
	{ "create, touch and UNMAP move the pool's counters", touched_and_unmapped },
	{ "pages go back to the pool with the region", freed_with_region },
	{ "two processes share pages and page tables", two_processes },
	{ "offset or size not made of huge pages: EINVAL", not_aligned },
	{ "a page size other than 2 MiB: EINVAL", sizes },
	{ "a pool too small: ENOMEM, and nothing changes", pool_too_small },
	{ "refused by EEXIST or ENOSPC: nothing stays reserved", reserves_nothing,
	  .mount_opts = "size=8m" },
	{ "EEXIST and ENOSPC, also where the pool is empty", refused_by_what_is_there,
	  .mount_opts = "size=8m" },
	{ "UNMAP of one huge page of several", one_of_several_unmapped },
	{ "UNMAP of untouched pages gives up what was reserved", untouched_unmapped },
	{ "a huge page cut: EINVAL, and nothing changes", huge_page_cut },
	{ "a huge page cut behind a small object: EINVAL, and nothing changes",
	  cut_behind_small },
	{ "small and huge pages by turns at one place", small_and_huge },
	{ "huge pages in the middle of a small object", in_a_small_object },
	{ "small and huge pages by turns below busy readers", changed_below_readers, .slow = 2 },
	{ "fork, exit, kill", processes_come_and_go },
	{ "read, write, process_vm_readv and io_uring", kernel_buffers },
	{ "UNMAP of a pinned huge page", pinned_and_unmapped },
	{ "read-only objects and clients: SIGSEGV", read_only },
	{ "fdinfo", in_fdinfo },
	{ "/proc files and mincore", in_proc },
	{ "madvise", advised },
	{ "attached processes cost no page tables", page_tables },
	{ "the controller charges who creates with the reservation, who touches with the page",
	  charged_by_controller },
	/* Their pages are lost to the machine until that boots again. */
	{ "a page that failed: SIGBUS, and /proc files can be read", poisoned },
	{ "a page that failed, of a process that DAMON watches: its entry stays", watched },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
