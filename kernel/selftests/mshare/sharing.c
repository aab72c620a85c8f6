// SPDX-License-Identifier: GPL-2.0
/*
 * The proof that page tables are shared, beside private ones in the same run.
 *
 * Processes attach and start; then all touch every page. Between, the page
 * tables of the whole machine may grow by one copy of the object's tables and
 * two pages for each process, where a memfd takes a copy for each process.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "region.h"

#define OBJECT_SIZE	(256 * MIB)
#define MOST		64

/* shared->flag: processes that stand still before and after touching. */
#define STARTED		0
#define GO		1
#define TOUCHED		2
#define END		3

struct measured {
	long tables;		/* growth of PageTables in KiB */
	long own[MOST];		/* growth of each process's VmPTE in KiB */
	long faults[MOST];	/* faults of each process while it touched */
};

struct plan {
	int fd;
	u64 length;	/* of the mapping */
	u64 object;	/* of what is touched, from its beginning */
};

static struct measured *measured;
static int next_process;

static void touch(char *p, u64 size, bool store)
{
	u64 i;

	for (i = 0; i < size; i += PAGE) {
		if (store)
			__atomic_store_n(p + i, 1, __ATOMIC_RELAXED);
		else if (__atomic_load_n(p + i, __ATOMIC_RELAXED) != 1)
			test_fail(__FILE__, __LINE__, "page %llu was not stored by the first",
				  (unsigned long long)i / PAGE);
	}
}

/* The first process stores, the others load what it stored. */
static void participant(void *arg)
{
	const struct plan *plan = arg;
	int me = next_process;
	char *p, *own, byte = 1;
	long before, own_before;

	own = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK_OK(own);
	p = mmap(NULL, plan->length, RW, MAP_SHARED, plan->fd, 0);
	CHECK_OK(p);
	/* Run the same code once, so that its own faults are behind us. */
	touch(own, PAGE, true);
	touch(own, PAGE, false);
	faults();
	own_before = status_of(getpid(), "VmPTE");
	byte = (char)faults();
	own[0] = byte;
	flag_raise(STARTED);
	flag_await(GO, me ? 2 : 1);
	before = faults();
	touch(p, plan->object, me == 0);
	measured->faults[me] = faults() - before;
	measured->own[me] = status_of(getpid(), "VmPTE") - own_before;
	flag_raise(TOUCHED);
	flag_await(END, 1);
}

static void measure(struct plan *plan, int n)
{
	pid_t pids[MOST];
	long before;
	int i;

	memset(shared, 0, sizeof(*shared));
	memset(measured, 0, sizeof(*measured));
	for (i = 0; i < n; i++) {
		next_process = i;
		pids[i] = spawn(participant, plan);
	}
	flag_await(STARTED, n);
	before = mem_kib("PageTables");
	flag_raise(GO);
	flag_await(TOUCHED, 1);
	flag_raise(GO);
	flag_await(TOUCHED, n);
	measured->tables = mem_kib("PageTables") - before;
	flag_raise(END);
	for (i = 0; i < n; i++)
		join_ok(pids[i]);
}

static void need_results(void)
{
	measured = mmap(NULL, sizeof(*measured), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK_OK(measured);
	memset(measured, 0, sizeof(*measured));
}

static void measure_region(int n, u64 size)
{
	struct plan plan = {
		.fd = region_new("a", 1), .length = granule(), .object = size,
	};
	long copy = (size / 512 + PAGE) / KIB;	/* its PTE pages, and the PMD page above */
	int i;

	need_results();
	CHECK_OK(object_add(plan.fd, 0, size));
	measure(&plan, n);
	test_note("region, %d processes: PageTables grew by %ld KiB; a copy is %ld KiB", n,
		  measured->tables, copy);
	CHECK_MSG(measured->tables * 10 <= copy * 11 + 10 * n * (long)(2 * PAGE / KIB),
		  "grew by %ld KiB", measured->tables);
	for (i = 0; i < n; i++) {
		CHECK_MSG(measured->own[i] <= (long)(2 * PAGE / KIB),
			  "VmPTE of process %d grew by %ld KiB", i, measured->own[i]);
		if (i > 0)
			CHECK_MSG(measured->faults[i] <= 1, "process %d took %ld faults", i,
				  measured->faults[i]);
	}
}

/* What the region is compared with; that it grows shows that the figures mean something. */
static void measure_memfd(int n, u64 size)
{
	struct plan plan = { .length = size, .object = size };
	long copy = size / 512 / KIB;
	int i;

	need_results();
	plan.fd = memfd_create("private", MFD_CLOEXEC);
	CHECK_OK(plan.fd);
	CHECK_OK(ftruncate(plan.fd, size));
	measure(&plan, n);
	test_note("memfd, %d processes: PageTables grew by %ld KiB; a copy is %ld KiB", n,
		  measured->tables, copy);
	CHECK_MSG(measured->tables * 10 >= n * copy * 9, "grew by %ld KiB", measured->tables);
	for (i = 0; i < n; i++) {
		CHECK_MSG(measured->own[i] * 10 >= copy * 9, "VmPTE of process %d grew by %ld KiB",
			  i, measured->own[i]);
		CHECK_MSG(measured->faults[i] >= (long)(size / PAGE / 16),
			  "process %d took %ld faults", i, measured->faults[i]);
	}
}

static void processes(void)
{
	int n = *(const int *)test_arg;

	measure_region(n, opt_quick && n < MOST ? OBJECT_SIZE / 4 : OBJECT_SIZE);
	CHECK_OK(unlink(in_mnt("a")));
}

static void memfd(void)
{
	int n = *(const int *)test_arg;

	measure_memfd(n, opt_quick ? OBJECT_SIZE / 4 : OBJECT_SIZE);
}

static void second_process(void)
{
	u64 g = granule();
	struct plan plan = { .length = 3 * g, .object = 16 * MIB };
	int i;

	need_results();
	plan.fd = region_new("a", 3);
	for (i = 0; i < 3; i++)
		CHECK_OK(object_add(plan.fd, i * g, 16 * MIB));
	measure(&plan, 4);
	for (i = 1; i < 4; i++)
		CHECK_MSG(measured->faults[i] <= 1, "process %d: %ld faults", i,
			  measured->faults[i]);
}

static void touch_all_granules(void *arg)
{
	char *p = arg;
	u64 g = granule();
	long before;
	int i;

	touch(p, PAGE, false);		/* the code and one granule are there now */
	before = faults();
	before = faults();
	for (i = 0; i < 4; i++)
		touch(p + i * g, MIB, false);
	CHECK_MSG(faults() - before <= 3, "%ld faults", faults() - before);
}

static void one_fault_each_granule(void)
{
	u64 g = granule();
	int fd = region_new("a", 4), i;
	char *p = region_map(fd, RW), *q;

	for (i = 0; i < 4; i++) {
		CHECK_OK(object_add(fd, i * g, MIB));
		touch(p + i * g, MIB, true);
	}
	q = region_map(region_open("a", O_RDONLY), PROT_READ);
	join_ok(spawn(touch_all_granules, q));
}

/* Pages that somebody faulted in after we attached are there for us, too. */
static void later_pages(void)
{
	int fd;
	char *p = simple_region("a", 16 * MIB, &fd), *q = region_map(fd, RW);
	long before;

	touch(p, PAGE, true);
	touch(q, PAGE, false);
	touch(p, 16 * MIB, true);
	before = faults();
	before = faults();
	touch(q, 16 * MIB, false);
	CHECK_MSG(faults() == before, "%ld faults", faults() - before);
}

static const int n1 = 1, n8 = 8, n64 = MOST;

static const struct test_case cases[] = {
	{ "1 process: one copy of the tables", processes, &n1, .slow = 2 },
	{ "8 processes: one copy of the tables", processes, &n8, .slow = 2 },
	{ "64 processes: one copy of the tables", processes, &n64, .slow = 4 },
	{ "1 process on a memfd: one copy", memfd, &n1, .slow = 2 },
	{ "8 processes on a memfd: eight copies", memfd, &n8, .slow = 2 },
	{ "64 processes on a memfd: 64 copies", memfd, &n64, .slow = 4 },
	{ "the second process and later ones take one fault", second_process },
	{ "one fault for each granule", one_fault_each_granule },
	{ "pages that others fault in later take none", later_pages },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
