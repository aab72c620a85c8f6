// SPDX-License-Identifier: GPL-2.0
/*
 * UNMAP and replacement: seen by everyone, on every CPU, at once.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "objfile.h"
#include "region.h"

/* shared->flag: readers that are ready; the step that the writer has finished; stop. */
#define READY	0
#define STEP	1
#define STOP	2
#define GONE	3	/* readers that saw the last step */

/* shared->number: what the page holds after a step, and whether it is mapped. */
#define VALUE	0
#define MAPPED	1

static unsigned int rounds(void)
{
	if (opt_rounds)
		return opt_rounds;
	return opt_quick ? 100 : 1000;
}

static void unmapped_for_all(void)
{
	int fd;
	char *p = simple_region("a", MIB, &fd), *q = region_map(fd, RW);
	unsigned char c;

	fill(p, MIB, 1);
	check_pattern(q, MIB, 1);
	CHECK_OK(object_del(fd, 0, MIB));
	CHECK(peek(p, &c) == SIGSEGV && poke(p, 1) == SIGSEGV);
	CHECK(peek(q, &c) == SIGSEGV && poke(q + MIB - 1, 1) == SIGSEGV);
}

static void sleep_and_touch(void *arg)
{
	char *p = arg;
	unsigned char c;

	run_on_cpu(shared->number[10]);
	check_pattern(p, MIB, 1);
	flag_raise(READY);
	flag_await(STEP, 1);
	CHECK(peek(p, &c) == SIGSEGV);
	CHECK(peek(p + MIB - PAGE, &c) == SIGSEGV);
	CHECK(poke(p + MIB - 1, 1) == SIGSEGV);
	flag_raise(READY);
	flag_await(STEP, 2);
	CHECK(get(p + PAGE) == 0);
	put(p + 2 * PAGE + shared->number[10], 5);
}

static void sleepers(unsigned int cpu)
{
	int fd;
	char *p = simple_region("a", MIB, &fd);
	pid_t pids[2];

	fill(p, MIB, 1);
	run_on_cpu(0);
	shared->number[10] = cpu;
	pids[0] = spawn(sleep_and_touch, p);
	pids[1] = spawn(sleep_and_touch, p);
	flag_await(READY, 2);
	CHECK_OK(object_del(fd, 0, MIB));
	flag_raise(STEP);
	flag_await(READY, 4);
	CHECK_OK(object_add(fd, 0, MIB));
	flag_raise(STEP);
	join_ok(pids[0]);
	join_ok(pids[1]);
	CHECK(get(p + 2 * PAGE + cpu) == 5);
}

static void sleepers_same_cpu(void)
{
	sleepers(0);
}

static void sleepers_other_cpu(void)
{
	sleepers(1);
}

/*
 * Load as fast as possible. A load that began after the writer had finished a
 * step must see what that step left: the step is read before the load and, so
 * that the load surely fell into it, again after.
 */
static void watch(char *p)
{
	u32 seen = 0;

	flag_raise(READY);
	while (!flag_get(STOP)) {
		u32 before = flag_get(STEP);
		u64 value = __atomic_load_n(&shared->number[VALUE], __ATOMIC_SEQ_CST);
		u64 mapped = __atomic_load_n(&shared->number[MAPPED], __ATOMIC_SEQ_CST);
		unsigned char c = 0;
		int sig = peek(p, &c);

		if (before % 2 || flag_get(STEP) != before)
			continue;	/* odd: the writer is at it */
		CHECK_MSG(sig == (mapped ? 0 : SIGSEGV), "step %u: signal %d, mapped %d", before,
			  sig, (int)mapped);
		CHECK_MSG(!mapped || c == (unsigned char)value, "step %u: %d, not %d", before, c,
			  (int)value);
		if (before != seen)
			flag_raise(GONE);
		seen = before;
	}
}

static void watch_in_process(void *arg)
{
	char *p = region_map(region_open("a", O_RDWR), RW);

	run_on_cpu((uintptr_t)arg);
	watch(p);
}

static void *watch_in_thread(void *arg)
{
	run_on_cpu(1);
	watch(arg);
	return NULL;
}

/* Wait until some reader has looked at the current step. */
static void let_them_look(u32 gone)
{
	int tries;

	for (tries = 0; tries < 100 && flag_get(GONE) == gone; tries++)
		usleep(100);
}

/* Change the object many times, between the odd and the even number of a step. */
static void change_rounds(int fd, char *p)
{
	unsigned int i;

	for (i = 0; i < rounds(); i++) {
		u32 gone = flag_get(GONE);
		bool mapped = i % 3 != 1;
		unsigned char value = 0;

		flag_raise(STEP);
		if (i % 3 == 1)
			CHECK_OK(object_del(fd, 0, PAGE));
		else
			CHECK_OK(object_add(fd, 0, PAGE));	/* in place of the old one, too */
		if (i % 3 == 2) {
			value = i | 1;
			put(p, value);
		}
		__atomic_store_n(&shared->number[VALUE], value, __ATOMIC_SEQ_CST);
		__atomic_store_n(&shared->number[MAPPED], mapped, __ATOMIC_SEQ_CST);
		flag_raise(STEP);
		let_them_look(gone);
	}
	test_note("%u changes, %u looks", rounds(), flag_get(GONE));
	CHECK(flag_get(GONE) > rounds() / 2);
	flag_raise(STOP);
}

/* One on a CPU: where processes take turns, that alone flushes what is stale. */
static void watched_by_processes(void)
{
	uintptr_t i, count = sysconf(_SC_NPROCESSORS_ONLN) - 1;
	pid_t pids[3];
	int fd;
	char *p = simple_region("a", MIB, &fd);

	if (count < 1)
		count = 1;
	if (count > ARRAY_SIZE(pids))
		count = ARRAY_SIZE(pids);
	run_on_cpu(0);
	shared->number[MAPPED] = 1;
	for (i = 0; i < count; i++)
		pids[i] = spawn(watch_in_process, (void *)(i + 1));
	flag_await(READY, count);
	change_rounds(fd, p);
	for (i = 0; i < count; i++)
		join_ok(pids[i]);
}

static void watched_by_threads(void)
{
	pthread_t thread[2];
	size_t i;
	int fd;
	char *p = simple_region("a", MIB, &fd);

	run_on_cpu(0);
	shared->number[MAPPED] = 1;
	for (i = 0; i < ARRAY_SIZE(thread); i++)
		CHECK(!pthread_create(&thread[i], NULL, watch_in_thread, p));
	flag_await(READY, ARRAY_SIZE(thread));
	change_rounds(fd, p);
	for (i = 0; i < ARRAY_SIZE(thread); i++)
		CHECK(!pthread_join(thread[i], NULL));
}

/* What stands at an address changes: one region, another one, nothing. */
static void own_munmap_watched_by_threads(void)
{
	u64 g = granule();
	pthread_t thread[2];
	int fd[2], k;
	unsigned int i;
	char *p;

	run_on_cpu(0);
	put(simple_region("a", MIB, &fd[0]), 1);
	put(simple_region("b", MIB, &fd[1]), 2);
	p = free_range(g);
	for (k = 0; k < 2; k++)
		CHECK(!pthread_create(&thread[k], NULL, watch_in_thread, p));
	flag_await(READY, 2);
	for (i = 0; i < rounds(); i++) {
		u32 gone = flag_get(GONE);

		k = i % 3;
		flag_raise(STEP);
		if (k < 2)
			CHECK(mmap(p, g, RW, MAP_SHARED | MAP_FIXED, fd[k], 0) == p);
		else
			CHECK_OK(munmap(p, g));
		__atomic_store_n(&shared->number[VALUE], k + 1, __ATOMIC_SEQ_CST);
		__atomic_store_n(&shared->number[MAPPED], k < 2, __ATOMIC_SEQ_CST);
		flag_raise(STEP);
		let_them_look(gone);
	}
	CHECK(flag_get(GONE) > rounds() / 2);
	flag_raise(STOP);
	for (k = 0; k < 2; k++)
		CHECK(!pthread_join(thread[k], NULL));
}

#define STORED	0xaa
#define TAKEN	64	/* pages */

/* A store that lands in a page after it was taken out would be lost in somebody's memory. */
static void stores_as_it_goes(void *arg)
{
	char *p = region_map(region_open("a", O_RDWR), RW);
	u32 step;

	(void)arg;
	run_on_cpu(1);
	flag_raise(READY);
	while (!flag_get(STOP)) {
		int sig;

		step = flag_get(STEP);
		sig = poke(p, STORED);
		if (step % 2 && flag_get(STEP) == step)
			CHECK_MSG(sig == SIGSEGV, "step %u: signal %d", step, sig);
	}
}

/* The page of that frame is among the taken ones. */
static bool is_taken(u64 frame, const char *p)
{
	u64 frames[TAKEN];
	size_t i;

	frames_read(p, TAKEN, frames);
	for (i = 0; i < TAKEN; i++)
		if (frames[i] == frame)
			return true;
	return false;
}

static void no_store_after_unmap(void)
{
	unsigned int i, tries, again = 0;
	char *p, *other;
	u64 frame;
	pid_t pid;
	int fd;

	test_set(SHMEM_ENABLED, "never");
	p = simple_region("a", MIB, &fd);
	run_on_cpu(0);
	other = mmap(NULL, TAKEN * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK_OK(other);
	pid = spawn(stores_as_it_goes, NULL);
	flag_await(READY, 1);
	for (i = 0; i < rounds(); i++) {
		put(p, 1);
		frames_read(p, 1, &frame);
		CHECK(frame);
		/* Until the other CPU has the translation. */
		for (tries = 0; get(p) != STORED; tries++) {
			CHECK(tries < 50000);
			usleep(100);
		}
		CHECK_OK(object_del(fd, 0, PAGE));
		flag_raise(STEP);
		/* The page is free now; take some, and nobody may write to them. */
		memset(other, 0, TAKEN * PAGE);
		again += is_taken(frame, other);
		check_zero(other, TAKEN * PAGE);
		CHECK_OK(madvise(other, TAKEN * PAGE, MADV_DONTNEED));
		flag_raise(STEP);
		CHECK_OK(object_add(fd, 0, PAGE));
	}
	flag_raise(STOP);
	join_ok(pid);
	test_note("the page was taken again in %u of %u rounds", again, i);
	CHECK(again);
}

/* A system call might have the CPU forget the translations that this is about. */
static void count_until_refused(void *arg)
{
	u64 *word = (u64 *)region_map(region_open("a", O_RDWR), RW);
	u32 round;

	run_on_cpu(1);
	for (round = 1; round <= (uintptr_t)arg; round++) {
		flag_await(STEP, round);
		CHECK(count_until_signal(word) == SIGSEGV);
		flag_raise(GONE);
	}
}

/* The page stays where it is, and only the right to store goes. */
static void no_store_once_read_only(void)
{
	int fd, memory = sparse_file(memfd, 1);
	char *p = file_region(memory, 1, &fd);
	u64 *count = (u64 *)plain_mmap(memory, 1), now = 0;
	uintptr_t round, n = rounds() / 5;
	pid_t pid;

	run_on_cpu(0);
	pid = spawn(count_until_refused, (void *)n);
	for (round = 1; round <= n; round++) {
		now = __atomic_load_n(count, __ATOMIC_RELAXED);
		flag_raise(STEP);
		while (__atomic_load_n(count, __ATOMIC_RELAXED) < now + 1000)
			usleep(100);
		CHECK_OK(object_map(fd, 0, PAGE, PROT_READ, memory, 0));
		now = __atomic_load_n(count, __ATOMIC_SEQ_CST);
		while (flag_get(GONE) < round)
			CHECK_MSG(__atomic_load_n(count, __ATOMIC_RELAXED) == now,
				  "round %u: a store after the replacement", (u32)round);
		CHECK(__atomic_load_n(count, __ATOMIC_SEQ_CST) == now);
		CHECK(__atomic_load_n((u64 *)p, __ATOMIC_SEQ_CST) == now);
		CHECK_OK(object_map(fd, 0, PAGE, RW, memory, 0));
	}
	join_ok(pid);
	test_note("%llu stores in %u rounds", (unsigned long long)now, (u32)n);
}

static void partial(void)
{
	int fd;
	char *p = simple_region("a", 8 * PAGE, &fd);
	struct fdinfo info;
	unsigned char c;

	fill(p, 8 * PAGE, 1);
	CHECK_OK(object_del(fd, 3 * PAGE, 2 * PAGE));
	check_pattern(p, 3 * PAGE, 1);
	check_pattern(p + 5 * PAGE, 3 * PAGE, 1 + 5 * PAGE / 8);
	CHECK(peek(p + 3 * PAGE, &c) == SIGSEGV && peek(p + 5 * PAGE - 1, &c) == SIGSEGV);
	fdinfo_read(fd, &info);
	CHECK_MSG(info.objects == 2, "%d objects", info.objects);
	fdinfo_check(&info, 0, 0, 3 * PAGE, "rw");
	fdinfo_check(&info, 1, 5 * PAGE, 3 * PAGE, "rw");
	CHECK_OK(object_del(fd, 0, PAGE));
	CHECK_OK(object_del(fd, 7 * PAGE, PAGE));
	fdinfo_read(fd, &info);
	CHECK(info.objects == 2);
	fdinfo_check(&info, 0, PAGE, 2 * PAGE, "rw");
	fdinfo_check(&info, 1, 5 * PAGE, 2 * PAGE, "rw");
	check_pattern(p + PAGE, 2 * PAGE, 1 + PAGE / 8);
	check_pattern(p + 5 * PAGE, 2 * PAGE, 1 + 5 * PAGE / 8);
	CHECK_OK(object_del(fd, 0, granule()));
	fdinfo_read(fd, &info);
	CHECK(info.objects == 0);
}

static void several_objects(void)
{
	u64 g = granule();
	int fd = region_new("a", 2), i;
	char *p = region_map(fd, RW);
	struct fdinfo info;
	unsigned char c;

	for (i = 0; i < 8; i++) {
		CHECK_OK(object_add(fd, g - 16 * PAGE + i * 4 * PAGE, 2 * PAGE));
		fill(p + g - 16 * PAGE + i * 4 * PAGE, 2 * PAGE, i);
	}
	/* From the middle of the second to the middle of the seventh. */
	CHECK_OK(object_del(fd, g - 11 * PAGE, 20 * PAGE));
	for (i = 0; i < 32; i++) {
		char *at = p + g - 16 * PAGE + i * PAGE;

		if (i % 4 >= 2 || (i >= 5 && i < 25))
			CHECK(peek(at, &c) == SIGSEGV);
		else
			check_pattern(at, PAGE, i / 4 + i % 4 * (PAGE / 8));
	}
	fdinfo_read(fd, &info);
	CHECK_MSG(info.objects == 4, "%d objects", info.objects);
	fdinfo_check(&info, 0, g - 16 * PAGE, 2 * PAGE, "rw");
	fdinfo_check(&info, 1, g - 12 * PAGE, PAGE, "rw");
	fdinfo_check(&info, 2, g + 9 * PAGE, PAGE, "rw");
	fdinfo_check(&info, 3, g + 12 * PAGE, 2 * PAGE, "rw");
}

static void replaced(void)
{
	int fd;
	char *p = simple_region("a", 8 * PAGE, &fd), *q = region_map(fd, RW);
	struct fdinfo info;

	fill(p, 8 * PAGE, 1);
	check_pattern(q, 8 * PAGE, 1);
	CHECK_OK(object_create(fd, 2 * PAGE, 3 * PAGE, PROT_READ, ANON, -1, 0));
	check_zero(p + 2 * PAGE, 3 * PAGE);
	check_zero(q + 2 * PAGE, 3 * PAGE);
	CHECK(poke(q + 2 * PAGE, 1) == SIGSEGV);
	check_pattern(q, 2 * PAGE, 1);
	check_pattern(q + 5 * PAGE, 3 * PAGE, 1 + 5 * PAGE / 8);
	fdinfo_read(fd, &info);
	CHECK_MSG(info.objects == 3, "%d objects", info.objects);
	fdinfo_check(&info, 0, 0, 2 * PAGE, "rw");
	fdinfo_check(&info, 1, 2 * PAGE, 3 * PAGE, "r-");
	fdinfo_check(&info, 2, 5 * PAGE, 3 * PAGE, "rw");
	CHECK_OK(object_add(fd, 0, 16 * PAGE));
	fdinfo_read(fd, &info);
	CHECK(info.objects == 1);
	fdinfo_check(&info, 0, 0, 16 * PAGE, "rw");
	check_zero(p, 16 * PAGE);
	put(q + 2 * PAGE, 1);
}

static void refused_replacement(void)
{
	int fd;
	char *p = simple_region("a", 8 * PAGE, &fd);
	struct fdinfo info;

	fill(p, 8 * PAGE, 1);
	CHECK_ERR(object_create(fd, 0, 8 * PAGE, RW | PROT_EXEC, ANON, -1, 0), EINVAL);
	CHECK_ERR(object_create(fd, 0, 8 * PAGE, RW, ANON | MAP_LOCKED, -1, 0), EINVAL);
	CHECK_ERR(object_add(fd, 0, 2 * granule()), EINVAL);
	check_pattern(p, 8 * PAGE, 1);
	fdinfo_read(fd, &info);
	CHECK(info.objects == 1);
}

/* All objects go, and new ones come: old clients see them, through the tables they have. */
static void everything_anew(void)
{
	int fd, i;
	char *p = simple_region("a", MIB, &fd), *q = region_map(fd, RW);

	for (i = 0; i < 20; i++) {
		put(p + i * PAGE, i + 1);
		CHECK(get(q + i * PAGE) == i + 1);
		CHECK_OK(object_del(fd, 0, granule()));
		CHECK_OK(object_add(fd, (i % 2) * 512 * MIB, MIB));
		CHECK_OK(object_add(fd, 0, MIB));
	}
	put(p + 512 * MIB, 1);
	CHECK(get(q + 512 * MIB) == 1);
}

/* UNMAP and CREATE_MAPPING work on the region; the caller's own memory map is not theirs. */
static void caller_not_attached(void)
{
	long size, vsize = status_of(getpid(), "VmSize");
	int fd = region_new("a", 1), i;

	for (i = 0; i < 100; i++) {
		CHECK_OK(object_add(fd, 0, 64 * MIB));
		CHECK_OK(object_add(fd, 32 * MIB, 64 * MIB));
		CHECK_OK(object_del(fd, MIB, 50 * MIB));
		CHECK_OK(object_del(fd, 0, granule()));
	}
	size = status_of(getpid(), "VmSize");
	CHECK_MSG(size - vsize < (long)MIB / 1024 && vsize - size < (long)MIB / 1024,
		  "VmSize went from %ld to %ld KiB", vsize, size);
}

static void leave(void *arg)
{
	(void)arg;
	caller_not_attached();
}

static void caller_exits(void)
{
	join_ok(spawn(leave, NULL));
}

static void memory_freed(void)
{
	long before = mem_kib("Shmem"), left;
	int fd;
	char *p = simple_region("a", 32 * MIB, &fd);

	fill(p, 32 * MIB, 1);
	CHECK(mem_kib("Shmem") - before >= (long)(32 * KIB));
	CHECK_OK(object_del(fd, 0, 32 * MIB));
	left = mem_kib("Shmem") - before;
	CHECK_MSG(left < 1024, "%ld KiB stay", left);
}

static void replaced_memory_freed(void)
{
	long before = mem_kib("Shmem"), left;
	int fd, i;
	char *p = simple_region("a", 8 * MIB, &fd);

	for (i = 0; i < 10; i++) {
		fill(p, 8 * MIB, i);
		CHECK_OK(object_add(fd, 0, 8 * MIB));
	}
	left = mem_kib("Shmem") - before;
	CHECK_MSG(left < 1024, "%ld KiB stay", left);
	check_zero(p, 8 * MIB);
}

/* The rest of its object stays: the memory goes all the same. */
static void part_freed(void)
{
	long full, freed;
	int fd;
	char *p = simple_region("a", 16 * MIB, &fd);

	fill(p, 16 * MIB, 1);
	full = mem_kib("Shmem");
	CHECK_OK(object_del(fd, 4 * MIB, 8 * MIB));
	freed = full - mem_kib("Shmem");
	CHECK_MSG(freed > (long)(7 * KIB) && freed < (long)(9 * KIB), "%ld KiB were freed", freed);
	CHECK_OK(object_del(fd, MIB, 2 * MIB));	/* of what is a part already */
	freed = full - mem_kib("Shmem");
	CHECK_MSG(freed > (long)(9 * KIB) && freed < (long)(11 * KIB), "%ld KiB were freed",
		  freed);
	check_pattern(p, MIB, 1);
	check_pattern(p + 3 * MIB, MIB, 1 + 3 * MIB / 8);
	check_pattern(p + 12 * MIB, 4 * MIB, 1 + 12 * MIB / 8);
	CHECK_OK(object_del(fd, 0, 16 * MIB));
	freed = full - mem_kib("Shmem");
	CHECK_MSG(freed > (long)(15 * KIB), "%ld KiB were freed", freed);
}

static void replaced_part_freed(void)
{
	long full, freed;
	int fd;
	char *p = simple_region("a", 16 * MIB, &fd);

	fill(p, 16 * MIB, 1);
	full = mem_kib("Shmem");
	CHECK_OK(object_create(fd, 4 * MIB, 8 * MIB, PROT_READ, ANON, -1, 0));
	freed = full - mem_kib("Shmem");
	CHECK_MSG(freed > (long)(7 * KIB), "%ld KiB were freed", freed);
	check_pattern(p, 4 * MIB, 1);
	check_pattern(p + 12 * MIB, 4 * MIB, 1 + 12 * MIB / 8);
	CHECK(get(p + 4 * MIB) == 0 && get(p + 12 * MIB - 1) == 0);
}

/* What goes lies in several objects, and in parts of them. */
static void parts_of_several_freed(void)
{
	long full, freed;
	int fd = region_new("a", 1), i;
	char *p = region_map(fd, RW);

	for (i = 0; i < 4; i++)
		CHECK_OK(object_add(fd, i * 4 * MIB, 4 * MIB));
	fill(p, 16 * MIB, 1);
	full = mem_kib("Shmem");
	CHECK_OK(object_del(fd, 2 * MIB, 12 * MIB));
	freed = full - mem_kib("Shmem");
	CHECK_MSG(freed > (long)(11 * KIB), "%ld KiB were freed", freed);
	check_pattern(p, 2 * MIB, 1);
	check_pattern(p + 14 * MIB, 2 * MIB, 1 + 14 * MIB / 8);
}

static void refused_part_kept(void)
{
	int fd;
	char *p = simple_region("a", 8 * MIB, &fd);

	fill(p, 8 * MIB, 1);
	CHECK_ERR(object_add(fd, 4 * MIB, 8 * MIB), ENOSPC);
	CHECK_ERR(object_create(fd, MIB, MIB, RW,
				MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_ANONYMOUS, -1, 0), EEXIST);
	check_pattern(p, 8 * MIB, 1);
}

#define BLOCK	(2 * MIB)	/* what a page of PTEs maps */

/* Page tables are freed by RCU: they may take a moment. */
static void tables_fall_below(long most)
{
	long now = 0;
	int tries;

	for (tries = 0; tries < 100; tries++) {
		now = mem_kib("PageTables");
		if (now < most)
			return;
		usleep(50000);
	}
	test_fail(__FILE__, __LINE__, "PageTables is %ld KiB, not below %ld", now, most);
}

/* Sleeps with the page tables in its TLB and comes back when they are gone. */
static void sleep_without_tables(void *arg)
{
	char *p = region_map(region_open("a", O_RDWR), RW);
	unsigned char c;
	int i;

	(void)arg;
	run_on_cpu(1);
	for (i = 0; i < 64; i++)
		CHECK(get(p + i * BLOCK + i * PAGE) == i + 1);
	flag_raise(READY);
	flag_await(STEP, 1);
	for (i = 0; i < 64; i++)
		CHECK(peek(p + i * BLOCK + i * PAGE, &c) == SIGSEGV);
	flag_raise(READY);
	flag_await(STEP, 2);
	for (i = 0; i < 64; i++)
		CHECK(get(p + i * BLOCK + i * PAGE) == 0);
}

static void page_tables_freed(void)
{
	int fd, i;
	char *p = simple_region("a", 64 * BLOCK, &fd);
	pid_t pid;
	long before, full;

	run_on_cpu(0);
	put(p, 1);
	before = mem_kib("PageTables");
	for (i = 0; i < 64; i++)
		put(p + i * BLOCK + i * PAGE, i + 1);
	full = mem_kib("PageTables");
	CHECK_MSG(full - before > 200, "they grew by %ld KiB", full - before);
	pid = spawn(sleep_without_tables, NULL);
	flag_await(READY, 1);
	full = mem_kib("PageTables");
	CHECK_OK(object_del(fd, 0, 64 * BLOCK));
	tables_fall_below(full - 200);
	flag_raise(STEP);
	flag_await(READY, 2);
	CHECK_OK(object_add(fd, 0, 64 * BLOCK));
	flag_raise(STEP);
	join_ok(pid);
}

/* A page of PTEs goes with the last object in its block, and stays for any other. */
static void page_tables_of_others_kept(void)
{
	int fd = region_new("a", 1), i;
	char *p = region_map(fd, RW);
	long full;

	/* Two in each block, and one over the border to the next. */
	for (i = 0; i < 64; i++) {
		CHECK_OK(object_add(fd, i * BLOCK + PAGE, PAGE));
		CHECK_OK(object_add(fd, (i + 1) * BLOCK - 2 * PAGE, PAGE));
		put(p + i * BLOCK + PAGE, 1);
		put(p + (i + 1) * BLOCK - 2 * PAGE, 2);
	}
	CHECK_OK(object_add(fd, BLOCK - PAGE, 2 * PAGE));
	put(p + BLOCK - PAGE, 3);
	put(p + BLOCK, 4);
	full = mem_kib("PageTables");
	for (i = 0; i < 64; i++)
		CHECK_OK(object_del(fd, i * BLOCK + PAGE, PAGE));
	for (i = 0; i < 64; i++)
		CHECK(get(p + (i + 1) * BLOCK - 2 * PAGE) == 2);
	CHECK(get(p + BLOCK - PAGE) == 3 && get(p + BLOCK) == 4);
	for (i = 0; i < 64; i++)
		CHECK_OK(object_del(fd, (i + 1) * BLOCK - 2 * PAGE, PAGE));
	CHECK(get(p + BLOCK - PAGE) == 3 && get(p + BLOCK) == 4);
	tables_fall_below(full - 200);
	CHECK(get(p + BLOCK - PAGE) == 3 && get(p + BLOCK) == 4);
}

static const struct test_case cases[] = {
	{ "UNMAP is seen through every mapping", unmapped_for_all },
	{ "UNMAP is seen by sleepers on the same CPU", sleepers_same_cpu },
	{ "UNMAP is seen by sleepers on another CPU", sleepers_other_cpu },
	{ "UNMAP and replacement are seen at once by busy processes", watched_by_processes,
	  .slow = 3 },
	{ "UNMAP and replacement are seen at once by busy threads", watched_by_threads,
	  .slow = 3 },
	{ "munmap and mmap over a region are seen at once by busy threads",
	  own_munmap_watched_by_threads, .slow = 3 },
	{ "no store reaches a page after its UNMAP", no_store_after_unmap, .slow = 3 },
	{ "no store reaches a page after it was replaced by the same, read-only",
	  no_store_once_read_only, .slow = 3 },
	{ "UNMAP of a part splits an object", partial },
	{ "UNMAP over several objects, holes and granules", several_objects },
	{ "MAP_FIXED replaces what was there, and splits it", replaced },
	{ "a refused replacement replaces nothing", refused_replacement },
	{ "all objects go and new ones come", everything_anew },
	{ "the caller's own memory map stays as it is", caller_not_attached },
	{ "a caller that is not attached exits cleanly", caller_exits },
	{ "UNMAP frees the memory at once", memory_freed },
	{ "replacement frees the memory at once", replaced_memory_freed },
	{ "UNMAP of a part frees its memory at once", part_freed },
	{ "replacement of a part frees its memory at once", replaced_part_freed },
	{ "UNMAP of parts of several objects frees their memory at once",
	  parts_of_several_freed },
	{ "a refused replacement of a part frees nothing", refused_part_kept,
	  .mount_opts = "size=8m" },
	{ "UNMAP frees the page tables", page_tables_freed },
	{ "UNMAP keeps the page tables of objects beside", page_tables_of_others_kept },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
