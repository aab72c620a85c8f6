// SPDX-License-Identifier: GPL-2.0
/*
 * Memory cgroups: the region's creator is charged, whoever touches; limits hold. And when memory
 * ends, that of a group or of the machine, the region is whole.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "groups.h"
#include "objfile.h"
#include "region.h"

/* shared->flag: the region is there; who touches may begin; has ended; all may go. */
#define CREATED	0
#define BEGIN	1
#define TOUCHED	2
#define END	3

static long group_event(const char *group, const char *event)
{
	return group_line(group, "memory.events", event);
}

static void enter(const char *group)
{
	enter_group(in_group(group, ""));
}

/* A store to each page. */
static void put_all(char *p, u64 size, unsigned char value)
{
	u64 i;

	for (i = 0; i < size; i += PAGE)
		put(p + i, value);
}

struct plan {
	const char *group;
	u64 size;
};

static void create(void *arg)
{
	const struct plan *plan = arg;
	char *p;
	int fd;

	enter(plan->group);
	p = simple_region("a", plan->size, &fd);
	flag_raise(CREATED);
	flag_await(END, 1);
	CHECK_OK(munmap(p, granule()));
}

static void create_and_exit(void *arg)
{
	const struct plan *plan = arg;
	char *p;
	int fd;

	enter(plan->group);
	p = simple_region("a", plan->size, &fd);
	put(p, 1);
}

static void touch(void *arg)
{
	const struct plan *plan = arg;

	enter(plan->group);
	put_all(region_map(region_open("a", O_RDWR), RW), plan->size, 1);
	flag_raise(TOUCHED);
	flag_await(END, 1);
}

static void creator_charged(void)
{
	struct plan by_creator = { "creator", 32 * MIB }, by_other = { "toucher", 32 * MIB };
	pid_t creator, toucher;
	long a, b;

	test_set(SHMEM_ENABLED, "never");
	need_groups();
	group_new("creator");
	group_new("toucher");
	creator = spawn(create, &by_creator);
	flag_await(CREATED, 1);
	toucher = spawn(touch, &by_other);
	flag_await(TOUCHED, 1);
	a = group_get("creator", "memory.current");
	b = group_get("toucher", "memory.current");
	test_note("creator's group %ld KiB, toucher's %ld KiB", a / 1024, b / 1024);
	CHECK_MSG(a >= 32 * (long)MIB, "the creator's group has %ld", a);
	CHECK_MSG(b < 4 * (long)MIB, "the toucher's group has %ld", b);
	/* Not exactly: the kernel keeps some of them on each CPU. */
	a = group_line("creator", "memory.stat", "\npgfault ");
	b = group_line("toucher", "memory.stat", "\npgfault ");
	test_note("%ld faults of the creator's group, %ld of the toucher's", a, b);
	CHECK(a >= (long)(16 * MIB / PAGE) && b < (long)(4 * MIB / PAGE));
	flag_raise(END);
	join_ok(creator);
	join_ok(toucher);
	a = group_get("creator", "memory.current");
	CHECK_MSG(a >= 32 * (long)MIB, "the name keeps the memory, and its charge: %ld", a);
	CHECK_OK(unlink(in_mnt("a")));
	a = group_get("creator", "memory.current");
	CHECK_MSG(a < 4 * (long)MIB, "%ld stay charged", a);
	group_remove("creator");
	group_remove("toucher");
	drop_groups();
}

static void creator_gone(void)
{
	struct plan by_creator = { "creator", 32 * MIB }, by_other = { "toucher", 32 * MIB };
	pid_t toucher;
	long a, b;

	need_groups();
	group_new("creator");
	group_new("toucher");
	join_ok(spawn(create_and_exit, &by_creator));
	toucher = spawn(touch, &by_other);
	flag_await(TOUCHED, 1);
	a = group_get("creator", "memory.current");
	b = group_get("toucher", "memory.current");
	CHECK_MSG(a >= 32 * (long)MIB, "the creator's group has %ld", a);
	CHECK_MSG(b < 4 * (long)MIB, "the toucher's group has %ld", b);
	flag_raise(END);
	join_ok(toucher);
	CHECK_OK(unlink(in_mnt("a")));
	group_remove("creator");
	group_remove("toucher");
	drop_groups();
}

static void creator_group_removed(void)
{
	struct plan by_creator = { "creator", 8 * MIB }, by_other = { "toucher", 8 * MIB };
	pid_t toucher;

	need_groups();
	group_new("creator");
	group_new("toucher");
	join_ok(spawn(create_and_exit, &by_creator));
	group_remove("creator");
	toucher = spawn(touch, &by_other);
	flag_await(TOUCHED, 1);
	flag_raise(END);
	join_ok(toucher);
	CHECK_OK(unlink(in_mnt("a")));
	group_remove("toucher");
	drop_groups();
}

static void create_of_file(void *arg)
{
	int region;

	enter("creator");
	region = region_new("a", 1);
	CHECK_OK(object_map(region, 0, 16 * MIB, RW, *(int *)arg, 0));
}

static void read_ahead(void *arg)
{
	char *p;
	u64 i;

	(void)arg;
	enter("toucher");
	p = region_map(region_open("a", O_RDWR), RW);
	for (i = 0; i < 16 * MIB; i += 64 * KIB)	/* a device may read no more at once */
		CHECK_OK(madvise(p + i, 64 * KIB, MADV_WILLNEED));
}

/* Advice reads files without a fault. */
static void advice_charged(void)
{
	int fd = pattern_file(disk, 16 * MIB / PAGE);
	long a, b;

	CHECK_OK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	need_groups();
	group_new("creator");
	group_new("toucher");
	join_ok(spawn(create_of_file, &fd));
	join_ok(spawn(read_ahead, NULL));
	a = group_get("creator", "memory.current");
	b = group_get("toucher", "memory.current");
	test_note("creator's group %ld KiB, toucher's %ld KiB", a / 1024, b / 1024);
	CHECK(a >= 15 * (long)MIB && b < 4 * (long)MIB);
	CHECK_OK(unlink(in_mnt("a")));
	remove_files();
	close(fd);
	group_remove("creator");
	group_remove("toucher");
	drop_groups();
}

static void limit_group(const char *group, const char *max)
{
	group_set(group, "memory.max", max);
	if (!access(in_group(group, "memory.swap.max"), F_OK))
		group_set(group, "memory.swap.max", "0");
}

static void create_and_touch(void *arg)
{
	const struct plan *plan = arg;
	int fd;

	enter(plan->group);
	put_all(simple_region("a", plan->size, &fd), plan->size, 1);
}

static void limit_of_creator(void)
{
	struct plan plan = { "creator", 64 * MIB };
	char *p;

	need_groups();
	group_new("creator");
	limit_group("creator", "16M");
	join_signal(spawn(create_and_touch, &plan), SIGKILL);
	CHECK(group_get("creator", "memory.current") <= 16 * (long)MIB);
	CHECK(group_event("creator", "\noom_kill ") >= 1);
	p = region_map(region_open("a", O_RDONLY), PROT_READ);
	CHECK(get(p) == 1);		/* what was stored is there */
	CHECK_OK(munmap(p, granule()));
	CHECK_OK(unlink(in_mnt("a")));
	drop_groups();
}

#define ROOM	(16 * MIB)	/* what the creator's group may have */
#define LARGE	(64 * MIB)	/* where the region has an object that does not fit, so large */
#define PART	(ROOM - 2 * MIB)	/* a page of what it was filled with */
#define SMALL	(256 * MIB)	/* where small objects begin, */
#define MOST	5000		/* more than find room */

static u64 small_object(int i)
{
	return SMALL + i * 2 * PAGE;
}

static void create_and_fill(void *unused)
{
	char *p;
	int fd;

	(void)unused;
	enter("creator");
	p = simple_region("a", ROOM - MIB, &fd);
	fill(p, ROOM - MIB, 1);
}

/* Store to each page until one finds no room, or fail. */
static void use_up(char *p, u64 size)
{
	u64 i;
	int sig;

	for (i = 0; i < size; i += PAGE) {
		sig = poke(p + i, 2);
		if (sig) {
			CHECK(sig == SIGBUS);
			return;
		}
	}
	test_fail(__FILE__, __LINE__, "no limit for memory");
}

/* The number of them that found room. */
static int add_small_objects(int fd)
{
	int i;

	for (i = 0; i < MOST; i++) {
		if (object_add(fd, small_object(i), PAGE)) {
			CHECK_MSG(errno == ENOMEM, "%s", strerror(errno));
			return i;
		}
	}
	test_fail(__FILE__, __LINE__, "no limit for objects");
}

/*
 * What an object maps is charged when it is touched: one that is larger than what the group has
 * left is there all the same. What the kernel needs for the object itself is charged at once, also
 * when somebody outside asks for it, and an object is refused where there is no room for that. Who
 * takes a part of one out, and gives memory back, is not refused.
 */
static void limit_and_objects(void)
{
	unsigned char c;
	char *p;
	int fd, n, i;

	test_set(SHMEM_ENABLED, "never");
	need_groups();
	group_new("creator");
	limit_group("creator", "16M");
	join_ok(spawn(create_and_fill, NULL));
	fd = region_open("a", O_RDWR);
	p = region_map(fd, RW);
	CHECK_OK(object_add(fd, LARGE, LARGE));
	use_up(p + LARGE, LARGE);
	n = add_small_objects(fd);
	test_note("%d more objects, then %s", n, strerror(errno));
	CHECK(peek(p + small_object(n), &c) == SIGSEGV);
	CHECK_OK(object_del(fd, PART, PAGE));
	CHECK(peek(p + PART, &c) == SIGSEGV);
	CHECK(group_get("creator", "memory.current") <= (long)ROOM);
	CHECK(group_event("creator", "\noom_kill ") == 0);	/* there is nobody */
	check_pattern(p, PART, 1);
	check_pattern(p + PART + PAGE, MIB - PAGE, 1 + (PART + PAGE) / 8);
	group_set("creator", "memory.max", "max");
	CHECK_OK(object_add(fd, small_object(n), PAGE));
	for (i = 0; i <= n; i++)
		put(p + small_object(i), 3);
	put_all(p + LARGE, LARGE, 3);
	CHECK_OK(munmap(p, granule()));
	CHECK_OK(close(fd));
	CHECK_OK(unlink(in_mnt("a")));
	group_remove("creator");
	drop_groups();
}

#define CLIENTS	16

/* All of them are after the same memory, each from somewhere else on. */
static void touch_all(void *arg)
{
	const struct plan *plan = arg;
	u64 i, first = getpid() % CLIENTS * plan->size / CLIENTS;
	char *p;

	enter(plan->group);
	p = region_map(region_open("a", O_RDWR), RW);
	for (i = 0; i < plan->size; i += PAGE) {
		int sig = poke(p + (first + i) % plan->size, 1);

		if (sig) {
			CHECK(sig == SIGBUS);
			return;
		}
	}
	test_fail(__FILE__, __LINE__, "no limit");
}

/* A creator whose group is limited, and many who touch more than that. Returns the creator. */
static pid_t crowd(struct plan *by_creator, struct plan *by_touchers, pid_t *touchers)
{
	pid_t creator;
	int i;

	group_new("creator");
	limit_group("creator", "16M");
	creator = spawn(create, by_creator);
	flag_await(CREATED, 1);
	for (i = 0; i < CLIENTS; i++)
		touchers[i] = spawn(touch_all, by_touchers);
	return creator;
}

static void use_after_limit(u64 size)
{
	char *p;

	CHECK(group_get("creator", "memory.current") <= 16 * (long)MIB);
	CHECK(group_event("creator", "\noom_kill ") >= 1);
	group_set("creator", "memory.max", "max");
	p = region_map(region_open("a", O_RDWR), RW);
	put_all(p, size, 2);
	CHECK_OK(munmap(p, granule()));
	CHECK_OK(unlink(in_mnt("a")));
}

/* From now on. */
static int log_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	CHECK_OK(fd);
	CHECK_OK(lseek(fd, 0, SEEK_END));
	return fd;
}

/* The messages since then that have that text. */
static int log_count(int fd, const char *text)
{
	char line[8192];
	int count = 0;
	ssize_t len;

	while ((len = read(fd, line, sizeof(line) - 1)) > 0 || errno == EPIPE) {
		line[len > 0 ? len : 0] = 0;
		count += !!strstr(line, text);
	}
	CHECK(errno == EAGAIN);
	close(fd);
	return count;
}

/*
 * Many processes outside do not push the group over its limit: once the creator, the only one that
 * can be killed for it, is gone, each of them is told.
 */
static void limit_and_others(void)
{
	struct plan by_creator = { "creator", 64 * MIB }, by_other = { "toucher", 64 * MIB };
	pid_t creator, touchers[CLIENTS];
	int log = log_open(), reports, i;

	need_groups();
	group_new("toucher");
	creator = crowd(&by_creator, &by_other, touchers);
	for (i = 0; i < CLIENTS; i++)
		join_ok(touchers[i]);
	join_signal(creator, SIGKILL);
	reports = log_count(log, "no killable processes");
	CHECK_MSG(reports < CLIENTS / 2, "%d reports in the log", reports);
	CHECK(group_get("toucher", "memory.current") < 8 * (long)MIB);
	use_after_limit(by_creator.size);
	group_remove("creator");
	group_remove("toucher");
	drop_groups();
}

/* In the group itself they are killed, one after the other, as the memory is not theirs to free. */
static void limit_and_own(void)
{
	struct plan plan = { "creator", 64 * MIB };
	pid_t creator, touchers[CLIENTS];
	int i;

	need_groups();
	creator = crowd(&plan, &plan, touchers);
	for (i = 0; i < CLIENTS; i++)
		join_signal(touchers[i], SIGKILL);
	kill_join(creator);	/* it may have been the first to go */
	use_after_limit(plan.size);
	group_remove("creator");
	drop_groups();
}

static void create_beside_file(void *arg)
{
	int fd;

	enter("creator");
	put_all(simple_region("a", 8 * MIB, &fd), 8 * MIB, 1);
	CHECK_OK(object_map(fd, 16 * MIB, 16 * MIB, RW, *(int *)arg, 0));
}

static void read_file(void *unused)
{
	char *p = region_map(region_open("a", O_RDONLY), PROT_READ);
	long before = faults();

	(void)unused;
	check_pattern(p + 16 * MIB, 16 * MIB, 1);
	shared->number[0] = faults() - before;
}

/* Who brings no new page in does not reclaim, however far beyond its limit the group is. */
static void nothing_charged(void)
{
	long before, after;
	int fd;

	test_set(SHMEM_ENABLED, "never");
	fd = pattern_file(memfd, 16 * MIB / PAGE);
	need_groups();
	group_new("creator");
	limit_group("creator", "max");
	join_ok(spawn(create_beside_file, &fd));
	group_set("creator", "memory.high", "1M");
	before = group_event("creator", "\nhigh ");
	join_ok(spawn(read_file, NULL));
	after = group_event("creator", "\nhigh ");
	test_note("%llu faults, %ld reclaims", (unsigned long long)shared->number[0],
		  after - before);
	CHECK(shared->number[0] >= 128);
	CHECK(after - before < 16);
	CHECK_OK(unlink(in_mnt("a")));
	close(fd);
	group_remove("creator");
	drop_groups();
}

static void eat(void *arg)
{
	char *p = arg, *read_only, *own;
	u64 i;

	get(p);
	/* Not VM_SHARED: what the reaper looks for. */
	read_only = region_map(region_open("a", O_RDONLY), PROT_READ);
	get(read_only);
	enter("eater");
	own = mmap(NULL, 64 * MIB, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK_OK(own);
	for (i = 0; i < 64 * MIB; i += PAGE)
		own[i] = p[i % MIB];
}

/* Without a way back to user space between the faults, where it would be held back as well. */
static void populate_beyond_high(void *arg)
{
	(void)arg;
	enter("creator");
	flag_raise(TOUCHED);
	madvise(region_map(region_open("a", O_RDWR), RW), LARGE, MADV_POPULATE_WRITE);
	test_fail(__FILE__, __LINE__, "memory.high holds nobody back");
}

/* How many calls that take the region's lock can be made in so many seconds. */
static int calls_in(int fd, time_t seconds)
{
	struct timespec start, now;
	int count = 0;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		CHECK_OK(object_del(fd, SMALL, PAGE));
		count++;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < start.tv_sec + seconds);
	return count;
}

/* Nothing can be reclaimed: who is beyond memory.high sleeps for seconds between a few faults. */
static void others_beside_held_back(void)
{
	int fd, alone, beside;
	pid_t pid;
	char *p;

	need_groups();
	group_new("creator");
	group_set("creator", "memory.swap.max", "0");
	group_set("creator", "memory.high", "1M");
	enter("creator");
	p = simple_region("a", LARGE, &fd);
	enter_group(GROUPS);
	alone = calls_in(fd, 3);
	pid = spawn(populate_beyond_high, NULL);
	flag_await(TOUCHED, 1);
	while (group_event("creator", "\nhigh ") < 3)
		usleep(10000);
	beside = calls_in(fd, 6);
	test_note("%d calls in 6 s; alone %d in 3 s", beside, alone);
	CHECK(beside > alone / 10);
	kill_join(pid);
	CHECK_OK(munmap(p, granule()));
	CHECK_OK(unlink(in_mnt("a")));
	CHECK_OK(close(fd));
	group_remove("creator");
	drop_groups();
}

/* The OOM killer's reaper empties a client's memory map, but not the region. */
static void client_killed_by_oom(void)
{
	char *p;
	int fd;

	need_groups();
	group_new("eater");
	limit_group("eater", "16M");
	p = simple_region("a", MIB, &fd);
	fill(p, MIB, 1);
	join_signal(spawn(eat, p), SIGKILL);
	CHECK(group_event("eater", "\noom_kill ") >= 1);
	check_pattern(p, MIB, 1);
	fill(p, MIB, 2);
	CHECK_OK(munmap(p, granule()));
	p = region_map(fd, PROT_READ);
	check_pattern(p, MIB, 2);
	group_remove("eater");
	drop_groups();
}

/* All that the machine has, and none of it can be swapped out, which would take long. */
static void eat_all(void *arg)
{
	char *own;

	file_write("/proc/self/oom_score_adj", "1000");
	fill((char *)arg + MIB, MIB, 2);
	for (;;) {
		own = mmap(NULL, 16 * MIB, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK_OK(own);
		madvise(own, 16 * MIB, MADV_HUGEPAGE);	/* quicker, where there are some */
		CHECK_OK(mlock(own, 16 * MIB));
	}
}

static void check_when_told(void *arg)
{
	char *p = region_map(region_open("a", O_RDONLY), PROT_READ);

	(void)arg;
	check_pattern(p, MIB, 1);
	flag_raise(CREATED);
	flag_await(END, 1);
	check_pattern(p, MIB, 1);
	check_pattern(p + MIB, MIB, 2);
}

/* Nobody but the eater may be killed. */
static void machine_out_of_memory(void)
{
	static const char * const complaint[] = { "BUG: ", "WARNING: ", "Bad rss-counter" };
	int fd, killed = log_open(), logs[ARRAY_SIZE(complaint)];
	char path[64], line[64], *p;
	pid_t checker, eater;
	u64 before;
	size_t i;

	if (mem_kib("MemTotal") > (long)(4 * 1024 * KIB))
		test_skip("to eat more than 4 GiB takes long");
	for (i = 0; i < ARRAY_SIZE(complaint); i++)
		logs[i] = log_open();
	test_set("/proc/sys/vm/panic_on_oom", "0");
	test_set("/proc/sys/vm/overcommit_memory", "1");
	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", getppid());
	test_set(path, "-1000");
	file_write("/proc/self/oom_score_adj", "-1000");
	p = simple_region("a", 2 * MIB, &fd);
	fill(p, MIB, 1);
	checker = spawn(check_when_told, NULL);
	flag_await(CREATED, 1);
	before = vm_stat("oom_kill");
	eater = spawn(eat_all, p);
	join_signal(eater, SIGKILL);
	CHECK(vm_stat("oom_kill") > before);
	/* Of a group, it would begin in another way. */
	snprintf(line, sizeof(line), ";Out of memory: Killed process %d ", eater);
	CHECK(log_count(killed, line) == 1);
	flag_raise(END);
	join_ok(checker);
	check_pattern(p, MIB, 1);
	fill(p, 2 * MIB, 3);
	check_pattern(region_map(fd, PROT_READ), 2 * MIB, 3);
	for (i = 0; i < ARRAY_SIZE(complaint); i++)
		CHECK(log_count(logs[i], complaint[i]) == 0);
}

static const struct test_case cases[] = {
	{ "the creator's group is charged, the toucher's is not", creator_charged },
	{ "a creator that has gone is charged all the same", creator_gone },
	{ "touching works when the creator's group was removed", creator_group_removed },
	{ "what MADV_WILLNEED reads is charged to the creator's group", advice_charged },
	{ "the creator's limit holds for the creator", limit_of_creator, .slow = 2 },
	{ "an object is there beyond the creator's limit, until the kernel has no room for itself",
	  limit_and_objects, .slow = 2 },
	{ "the creator's limit holds for many others, who get SIGBUS", limit_and_others,
	  .slow = 2 },
	{ "many processes in the creator's group are killed at its limit", limit_and_own,
	  .slow = 2 },
	{ "beyond memory.high, what others touch that is there reclaims nothing",
	  nothing_charged },
	{ "who is held back by memory.high does not hold back others", others_beside_held_back,
	  .slow = 2 },
	{ "a client killed for want of memory leaves the region whole", client_killed_by_oom,
	  .slow = 2 },
	{ "a client killed as the whole machine is out of memory leaves the region whole",
	  machine_out_of_memory, .slow = 4 },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
