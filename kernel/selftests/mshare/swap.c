// SPDX-License-Identifier: GPL-2.0
/*
 * Region memory in swap: MADV_PAGEOUT, memory pressure, swapoff. Needs some swap space.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "groups.h"
#include "region.h"

#define GROUP	GROUPS "/mshare-swap"

/* What is in swap now, in KiB, without what memory has a copy of. */
static long swapped(void)
{
	return mem_kib("SwapTotal") - mem_kib("SwapFree");
}

/* Page out a range, and again what was just in use, until 90 % of it are out. */
static void page_out_tries(char *p, u64 size, int tries)
{
	long before = swapped(), out = 0;

	for (; tries > 0; tries--) {
		CHECK_OK(madvise(p, size, MADV_PAGEOUT));
		out = swapped() - before;
		if (out * 1024 >= (long)(size / 10 * 9))
			return;
		usleep(100000);
	}
	test_fail(__FILE__, __LINE__, "%ld of %ld KiB are in swap", out, (long)(size / KIB));
}

/* Nobody else has the pages in use: once must do. */
static void page_out(char *p, u64 size)
{
	page_out_tries(p, size, 1);
}

static void page_out_used(char *p, u64 size)
{
	page_out_tries(p, size, 5);
}

static void check_by_name(void *arg)
{
	char *p = region_map(region_open("a", O_RDONLY), PROT_READ);

	check_pattern(p, (uintptr_t)arg, 1);
}

static void pageout(void)
{
	u64 size = opt_quick ? 32 * MIB : 64 * MIB;
	long resident;
	char *p;
	int fd;

	need_swap(size + 16 * MIB);
	p = simple_region("a", size, &fd);
	fill(p, size, 1);
	resident = mem_kib("Shmem");
	page_out(p, size);
	CHECK_MSG(resident - mem_kib("Shmem") >= (long)(size / KIB / 10 * 9),
		  "Shmem fell by %ld KiB", resident - mem_kib("Shmem"));
	join_ok(spawn(check_by_name, (void *)size));
	check_pattern(p, size, 1);
	fill(p, size, 2);
	check_pattern(region_map(fd, PROT_READ), size, 2);
}

static void sleep_then_check(void *arg)
{
	char *p = arg;

	check_pattern(p, 8 * MIB, 1);	/* its accessed bits are set */
	flag_raise(0);
	flag_await(1, 1);
	check_pattern(p, 8 * MIB, 1);
	fill(p + MIB, MIB, 5);
}

static void pageout_of_shared(void)
{
	pid_t pids[4];
	size_t i;
	char *p;
	int fd;

	need_swap(16 * MIB);
	p = simple_region("a", 8 * MIB, &fd);
	fill(p, 8 * MIB, 1);
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		pids[i] = spawn(sleep_then_check, p);
	flag_await(0, ARRAY_SIZE(pids));
	page_out_used(p, 8 * MIB);
	for (i = 1; i < ARRAY_SIZE(pids); i++)
		kill_join(pids[i]);
	flag_raise(1);
	join_ok(pids[0]);
	check_pattern(p + MIB, MIB, 5);
	check_pattern(p + 2 * MIB, 6 * MIB, 1 + 2 * MIB / 8);
}

static void pageout_of_part(void)
{
	long before, out;
	char *p;
	int fd;

	need_swap(32 * MIB);
	p = simple_region("a", 32 * MIB, &fd);
	fill(p, 32 * MIB, 1);
	before = swapped();
	page_out(p + 8 * MIB, 8 * MIB);
	out = swapped() - before;
	CHECK_MSG(out <= (long)(12 * KIB), "%ld KiB are in swap", out);
	check_pattern(p, 32 * MIB, 1);
}

#define FEW	(16 * PAGE)

/* The pages are in that CPU's batch, not on the list of those that can go. */
static void fill_few_elsewhere(void *arg)
{
	run_on_cpu(1);
	fill(arg, FEW, 1);
	flag_raise(0);
	flag_await(1, 1);
	check_pattern(arg, FEW, 1);
}

/* By the one who asks, or, with an argument, by process_madvise() for the other. */
static void pageout_of_few(void)
{
	struct iovec range;
	u64 before, out;
	int fd, pidfd;
	pid_t user;
	char *p;

	need_swap(16 * MIB);
	p = simple_region("a", MIB, &fd);
	run_on_cpu(0);
	user = spawn(fill_few_elsewhere, p);
	flag_await(0, 1);
	before = vm_stat("pswpout");
	if (test_arg) {
		range = (struct iovec){ p, FEW };
		pidfd = syscall(SYS_pidfd_open, user, 0);
		CHECK_OK(pidfd);
		CHECK(syscall(SYS_process_madvise, pidfd, &range, 1, MADV_PAGEOUT, 0) == FEW);
	} else {
		CHECK_OK(madvise(p, FEW, MADV_PAGEOUT));
	}
	out = vm_stat("pswpout") - before;
	CHECK_MSG(out >= FEW / PAGE, "%llu pages were written", (unsigned long long)out);
	flag_raise(1);
	join_ok(user);
	check_pattern(p, FEW, 1);
}

/* What was written out stays in the swap cache until somebody wants the memory. */
static void empty_swap_cache(void)
{
	int tries;

	need_groups();
	for (tries = 0; tries < 50 && mem_kib("SwapCached") > 1024; tries++)
		if (!press_for_memory("8M"))
			test_skip("no memory.reclaim");
	drop_groups();
	CHECK_MSG(mem_kib("SwapCached") <= 1024, "%ld KiB", mem_kib("SwapCached"));
}

static void brought_back(void)
{
	u64 size = 16 * MIB;
	long low, high = 0;
	int fd, tries;
	char *p;

	need_swap(size + 64 * MIB);
	p = simple_region("a", size, &fd);
	fill(p, size, 1);
	page_out(p, size);
	empty_swap_cache();
	low = mem_kib("Shmem") + mem_kib("SwapCached");
	CHECK_OK(madvise(p, size, *(const int *)test_arg));
	for (tries = 0; tries < 50 && high < (long)(size / KIB / 2); tries++) {
		usleep(100000);
		high = mem_kib("Shmem") + mem_kib("SwapCached") - low;
	}
	CHECK_MSG(high >= (long)(size / KIB / 2), "%ld KiB came back", high);
	check_pattern(p, size, 1);
}

static void freed_with_region(void)
{
	long before, left = 0;
	int fd, tries;
	char *p;

	need_swap(32 * MIB);
	before = swapped();
	p = simple_region("a", 16 * MIB, &fd);
	fill(p, 16 * MIB, 1);
	page_out(p, 16 * MIB);
	CHECK_OK(object_del(fd, 0, 8 * MIB));
	CHECK_OK(munmap(p, granule()));
	CHECK_OK(unlink(in_mnt("a")));
	CHECK_OK(close(fd));
	for (tries = 0; tries < 50; tries++) {
		left = swapped() - before;
		if (left < 1024)
			return;
		usleep(100000);
	}
	test_fail(__FILE__, __LINE__, "%ld KiB of swap stay in use", left);
}

static void swap_off(void)
{
	char text[512], path[128] = "";
	int fd, ret, err;
	char *p;

	need_swap(16 * MIB);
	file_read("/proc/swaps", text, sizeof(text));
	if (sscanf(text, "%*[^\n]\n%127s", path) != 1)
		test_skip("no line in /proc/swaps");
	p = simple_region("a", 8 * MIB, &fd);
	fill(p, 8 * MIB, 1);
	page_out(p, 8 * MIB);
	ret = swapoff(path);
	err = errno;
	if (!ret)
		check_pattern(p, 8 * MIB, 1);
	CHECK_OK(ret ? 0 : swapon(path, 0));
	CHECK_MSG(!ret, "swapoff %s: %s", path, strerror(err));
	page_out(p, 8 * MIB);
	check_pattern(p, 8 * MIB, 1);
}

/*
 * Until a page was read from the disk. MADV_PAGEOUT would not do: it flushes for the accessed
 * bits that it clears, and what it wrote is found again in the swap cache.
 */
static bool read_again(void)
{
	u64 before = vm_stat("pswpin");
	int tries;

	for (tries = 0; tries < 50; tries++) {
		if (!press_for_memory("1M"))
			test_skip("no memory.reclaim");
		if (vm_stat("pswpin") != before)
			return true;
		usleep(1000);
	}
	return false;
}

static void written_out_below_counters(void)
{
	int fd, round, rounds = opt_quick ? 3 : 10, again = 0;
	pid_t pids[2];
	size_t i;

	need_swap(16 * MIB);
	need_groups();
	simple_region("a", COUNTED * PAGE, &fd);
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		pids[i] = spawn(count_in_pages, (void *)i);
	flag_await(0, ARRAY_SIZE(pids));
	for (round = 0; round < rounds; round++)
		again += read_again();
	flag_raise(1);
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		join_ok(pids[i]);
	drop_groups();
	test_note("in %d of %d rounds pages were read again", again, rounds);
	CHECK(again);
}

struct slice {
	int index;
	unsigned int rounds;
};

#define SLICE	(2 * MIB)

/* Store and check a slice of the region by turns, through an own mapping. */
static void work_on_slice(void *arg)
{
	const struct slice *slice = arg;
	char *p = region_map(region_open("a", O_RDWR), RW) + slice->index * SLICE;
	u64 round;

	for (round = 1; round <= slice->rounds; round++) {
		fill(p, SLICE, slice->index * 1000 + round);
		usleep(1000);
		check_pattern(p, SLICE, slice->index * 1000 + round);
	}
}

/* GROUP, new and empty. */
static void need_group(void)
{
	need_groups();
	group_new("swap");
}

/* It goes with the region "a" that was charged to it. */
static void drop_group(char *p, int fd)
{
	CHECK_OK(munmap(p, granule()));
	CHECK_OK(close(fd));
	CHECK_OK(unlink(in_mnt("a")));
	group_remove("swap");
	drop_groups();
}

/* The region is charged to GROUP, which may have half of it; its users may be outside. */
static void work_with_limit(const char *limit, const char *workers)
{
	struct slice slice[4];
	pid_t pids[4];
	long before;
	size_t i;
	char *p;
	int fd;

	need_swap(64 * MIB);
	need_group();
	file_write(limit, "4M");
	enter_group(GROUP);
	before = swapped();
	p = simple_region("a", ARRAY_SIZE(slice) * SLICE, &fd);
	enter_group(workers);
	for (i = 0; i < ARRAY_SIZE(slice); i++) {
		slice[i].index = i;
		slice[i].rounds = opt_quick ? 1 : 8;
		pids[i] = spawn(work_on_slice, &slice[i]);
	}
	for (i = 0; i < ARRAY_SIZE(slice); i++)
		join_ok(pids[i]);
	test_note("%ld KiB in swap", swapped() - before);
	CHECK(swapped() - before > (long)KIB);
	for (i = 0; i < ARRAY_SIZE(slice); i++)
		check_pattern(p + i * SLICE, SLICE, i * 1000 + slice[i].rounds);
	enter_group(GROUPS);
	drop_group(p, fd);
}

static void under_pressure(void)
{
	work_with_limit(GROUP "/memory.high", GROUP);
}

static void under_pressure_of_others(void)
{
	work_with_limit(GROUP "/memory.max", GROUPS);
}

static void held_back_for_others(void)
{
	work_with_limit(GROUP "/memory.high", GROUPS);
}

static void bring_back(void *arg)
{
	char *p = region_map(region_open("a", O_RDWR), RW);

	CHECK_OK(madvise(p, (uintptr_t)arg, MADV_WILLNEED));
}

/* A region that is charged to the group. */
static char *filled_in_group(const char *group, u64 size, int *fd)
{
	char *p;

	enter_group(group);
	p = simple_region("a", size, fd);
	fill(p, size, 1);
	enter_group(GROUPS);
	return p;
}

static void check_held_back(u64 size)
{
	test_note("%ld KiB", group_get("swap", "memory.current") / (long)KIB);
	CHECK(group_get("swap", "memory.current") < (long)(size - 2 * MIB));
}

/* Also where one call of somebody outside charges much, of what has been read when it ends. */
static void brought_back_for_others(void)
{
	const u64 size = 32 * MIB;
	char *p;
	int fd;

	need_swap(size + 16 * MIB);
	need_group();
	p = filled_in_group(GROUP, size, &fd);
	page_out(p, size);
	group_set("swap", "memory.high", "4M");
	join_ok(spawn(bring_back, (void *)size));
	check_held_back(size);
	check_pattern(p, size, 1);
	drop_group(p, fd);
}

static void read_back(void *arg)
{
	check_pattern(region_map(region_open("a", O_RDONLY), PROT_READ), (uintptr_t)arg, 1);
}

/* What is swapped out after its group has gone comes back at the expense of the one above. */
static void held_back_above_removed(void)
{
	const u64 size = 32 * MIB;
	char *p;
	int fd;

	need_swap(size + 16 * MIB);
	need_group();
	group_set("swap", "cgroup.subtree_control", "+memory");
	group_new("swap/creator");
	p = filled_in_group(in_group("swap/creator", ""), size, &fd);
	group_remove("swap/creator");
	sleep(1);	/* the kernel has done with it a little later */
	page_out(p, size);
	group_set("swap", "memory.high", "4M");
	join_ok(spawn(read_back, (void *)size));
	check_held_back(size);
	drop_group(p, fd);
}

static const int will_need = MADV_WILLNEED, populate = MADV_POPULATE_READ;

static const struct test_case cases[] = {
	{ "MADV_PAGEOUT puts the region into swap; another process reads it back", pageout,
	  .slow = 2 },
	{ "MADV_PAGEOUT of what others have in use", pageout_of_shared },
	{ "MADV_PAGEOUT of a part leaves the rest", pageout_of_part },
	{ "MADV_PAGEOUT of a few pages that another CPU stored to", pageout_of_few },
	{ "process_madvise: MADV_PAGEOUT for another process", pageout_of_few, "other" },
	{ "MADV_WILLNEED brings pages back", brought_back, &will_need },
	{ "MADV_POPULATE_READ brings pages back", brought_back, &populate },
	{ "swap is freed with the objects", freed_with_region },
	{ "swapoff brings the region back", swap_off, .slow = 2 },
	{ "what is written out loses no store of busy processes", written_out_below_counters,
	  .slow = 3 },
	{ "four writers under reclaim", under_pressure, .slow = 5 },
	{ "four writers outside of the group that is charged", under_pressure_of_others,
	  .slow = 5 },
	{ "memory.high of the group that is charged, and four writers outside",
	  held_back_for_others, .slow = 5 },
	{ "memory.high of the group that is charged, and MADV_WILLNEED outside",
	  brought_back_for_others, .slow = 2 },
	{ "memory.high above a group that was removed, and a reader outside",
	  held_back_above_removed, .slow = 2 },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
