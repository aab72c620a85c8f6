// SPDX-License-Identifier: GPL-2.0
/*
 * Region memory that the kernel moves, splits, merges or gives up while processes use it:
 * transparent huge pages, compaction, migration between nodes, memory offlining, memory failure.
 *
 * Whether a page has moved is seen in /proc/self/pagemap, which needs root.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "groups.h"
#include "objfile.h"
#include "region.h"

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101
#endif
#ifndef MPOL_BIND
#define MPOL_DEFAULT	0
#define MPOL_BIND	2
#endif
#ifndef MPOL_MF_MOVE_ALL
#define MPOL_MF_MOVE_ALL	4
#endif

static size_t frames_changed(const u64 *before, const u64 *after, size_t n)
{
	size_t i, changed = 0;

	for (i = 0; i < n; i++)
		changed += before[i] && after[i] && before[i] != after[i];
	return changed;
}

/* Processes that load and store all the time, each in bytes of its own. */
struct user {
	char *p;
	u64 size;
	unsigned int index;
};

#define USERS	4

/* Counts up a word in each page, and notices a count that somebody else would have changed. */
static void use(void *arg)
{
	struct user *user = arg;
	u64 round, at, *word;

	for (round = 1; !flag_get(1); round++) {
		for (at = 0; at < user->size; at += PAGE) {
			word = (u64 *)(user->p + at) + user->index;
			CHECK_MSG(*word == round - 1, "page %llu of user %u: %llu, not %llu",
				  (unsigned long long)(at / PAGE), user->index,
				  (unsigned long long)*word, (unsigned long long)(round - 1));
			__atomic_store_n(word, round, __ATOMIC_RELAXED);
		}
		if (round == 1)
			flag_raise(0);
		shared->number[user->index] = round;
	}
}

static void begin_use(struct user *users, pid_t *pids, char *p, u64 size)
{
	unsigned int i;

	for (i = 0; i < USERS; i++) {
		users[i] = (struct user){ .p = p, .size = size, .index = i };
		pids[i] = spawn(use, &users[i]);
	}
	flag_await(0, USERS);
}

/* Every user has gone through all pages after what happened to them, and nothing is lost. */
static void end_use(pid_t *pids, char *p, u64 size)
{
	u64 since[USERS], at;
	unsigned int i;

	for (i = 0; i < USERS; i++)
		since[i] = shared->number[i];
	for (i = 0; i < USERS; i++)
		while (__atomic_load_n(&shared->number[i], __ATOMIC_SEQ_CST) < since[i] + 2)
			usleep(1000);
	flag_raise(1);
	for (i = 0; i < USERS; i++)
		join_ok(pids[i]);
	for (i = 0; i < USERS; i++)
		for (at = 0; at < size; at += PAGE)
			CHECK(((u64 *)(p + at))[i] == shared->number[i]);
}

static long huge_mapped(void)
{
	return mem_kib("ShmemPmdMapped");
}

static void check_by_name(void *arg)
{
	check_pattern(region_map(region_open("a", O_RDONLY), PROT_READ), (uintptr_t)arg, 1);
}

/* A region whose first 8 MiB are huge pages, with a pattern; skips where there are none to have. */
static char *huge_region(int *fd)
{
	long before = huge_mapped();
	char *p;

	test_set(SHMEM_ENABLED, "always");
	p = simple_region("a", 4 * HUGE, fd);
	fill(p, 4 * HUGE, 1);
	if (huge_mapped() - before < (long)(HUGE / KIB))
		test_skip("memory is too fragmented for a huge page");
	return p;
}

static void huge_by_fault(void)
{
	long tables, taken;
	pid_t pid;
	int fd;

	huge_region(&fd);
	taken = huge_mapped();
	tables = mem_kib("PageTables");
	pid = spawn(check_by_name, (void *)(4 * HUGE));
	join_ok(pid);
	CHECK_MSG(huge_mapped() >= taken, "ShmemPmdMapped fell to %ld KiB", huge_mapped());
	CHECK_MSG(mem_kib("PageTables") - tables < 64, "PageTables grew by %ld KiB",
		  mem_kib("PageTables") - tables);
}

static void huge_split_by_unmap(void)
{
	unsigned char value;
	u64 hole = HUGE / 2;
	char *p;
	int fd;

	p = huge_region(&fd);
	CHECK_OK(object_del(fd, hole, PAGE));
	CHECK(peek(p + hole, &value) == SIGSEGV);
	check_pattern(p, hole, 1);
	check_pattern(p + hole + PAGE, 4 * HUGE - hole - PAGE, 1 + (hole + PAGE) / 8);
	CHECK_OK(object_add(fd, hole, PAGE));
	check_zero(p + hole, PAGE);
}

static void huge_to_swap(void)
{
	u64 unmapped = 0, written = 0, unmapped_before, written_before;
	int fd, i, rounds = opt_quick ? 3 : 20;
	struct user users[USERS];
	pid_t pids[USERS];
	char *p;

	need_swap(16 * MIB);
	p = huge_region(&fd);
	memset(p, 0, 4 * HUGE);
	begin_use(users, pids, p, 4 * HUGE);
	unmapped_before = vm_stat("thp_split_pmd");
	written_before = vm_stat("pswpout");
	/* A page that a writer waits for stays: it may take some rounds until one goes. */
	for (i = 0; i < rounds || (i < 100 && (!unmapped || written < HUGE / PAGE)); i++) {
		CHECK_OK(madvise(p, 4 * HUGE, MADV_PAGEOUT));
		usleep(20000);
		unmapped = vm_stat("thp_split_pmd") - unmapped_before;
		written = vm_stat("pswpout") - written_before;
	}
	end_use(pids, p, 4 * HUGE);
	test_note("after %d rounds: %llu huge pages were unmapped, %llu pages written", i,
		  (unsigned long long)unmapped, (unsigned long long)written);
	CHECK(unmapped > 0);
	CHECK(written >= HUGE / PAGE);
}

/* Most of the time khugepaged is at it, and goes far each time. */
static void busy_khugepaged(void)
{
	hurry_khugepaged("10");
	test_set(KHUGEPAGED "pages_to_scan", "8192");
}

static void huge_by_khugepaged(void)
{
	struct user users[USERS];
	pid_t pids[USERS];
	long before;
	char *p;
	int fd, i;

	test_set(SHMEM_ENABLED, "never");
	p = simple_region("a", 4 * HUGE, &fd);
	memset(p, 0, 4 * HUGE);
	begin_use(users, pids, p, 4 * HUGE);
	before = huge_mapped();

	/* The object was made while huge pages were off. */
	test_set(SHMEM_ENABLED, "always");
	busy_khugepaged();
	for (i = 0; i < 300 && huge_mapped() <= before; i++)
		usleep(100000);
	end_use(pids, p, 4 * HUGE);
	CHECK_MSG(huge_mapped() > before, "khugepaged made no huge page");
}

/* KPF_DIRTY of include/uapi/linux/kernel-page-flags.h: what only PTEs know is not in it. */
static bool known_dirty(const char *p)
{
	int fd = open("/proc/kpageflags", O_RDONLY);
	u64 frame, flags;

	frames_read(p, 1, &frame);
	CHECK(frame);
	CHECK_OK(fd);
	CHECK(pread(fd, &flags, sizeof(flags), frame * sizeof(flags)) == sizeof(flags));
	CHECK_OK(close(fd));
	return flags >> 4 & 1;
}

/*
 * Stores to a huge page that is allocated for a load, and mapped by PTEs as a page table is there:
 * they alone know of the stores.
 */
static void fill_through_ptes(char *p)
{
	u64 made = vm_stat("thp_file_alloc");
	long before = huge_mapped();

	CHECK(get(p) == 0);
	if (vm_stat("thp_file_alloc") == made)
		test_skip("memory is too fragmented for a huge page");
	CHECK_MSG(huge_mapped() == before, "an entry of a PMD maps it");
	fill(p, HUGE, 1);
	CHECK_MSG(!known_dirty(p), "a store took a fault, and was seen");
}

/*
 * What was stored is still there after reclaim, which drops a page that is not known as dirty. A
 * page that somebody holds for a moment, as a CPU's batch does, is only unmapped: once more then.
 */
static void check_after_reclaim(char *p)
{
	long before = mem_kib("Shmem"), gone = 0;
	int i;

	for (i = 0; i < 50 && gone < (long)(HUGE / KIB / 2); i++) {
		check_pattern(p, HUGE, 1);
		CHECK_OK(madvise(p, HUGE, MADV_PAGEOUT));
		gone = before - mem_kib("Shmem");
	}
	CHECK_MSG(gone >= (long)(HUGE / KIB / 2), "of the huge page %ld KiB went", gone);
	check_pattern(p, HUGE, 1);
}

static void huge_again_by_khugepaged(void)
{
	long before = huge_mapped();
	char *p;
	int fd, i;

	need_swap(HUGE);
	test_set(SHMEM_ENABLED, "never");
	p = simple_region("a", HUGE, &fd);
	put(p, 1);
	test_set(SHMEM_ENABLED, "always");
	/* The object that it replaces leaves its page table. */
	CHECK_OK(object_add(fd, 0, HUGE));
	fill_through_ptes(p);

	busy_khugepaged();
	for (i = 0; i < 300 && huge_mapped() == before; i++) {
		usleep(100000);
		CHECK(get(p + HUGE - 1));
	}
	CHECK_MSG(huge_mapped() > before, "khugepaged left the page table");
	check_after_reclaim(p);
}

/* The same without a region: the kernel that regions are in has to hold it for each mapping. */
static void huge_again_by_collapse(void)
{
	long before = huge_mapped();
	char *p = mmap(free_range(HUGE), HUGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	CHECK_OK(p);
	need_swap(HUGE);
	test_set(SHMEM_ENABLED, "never");
	put(p, 1);
	test_set(SHMEM_ENABLED, "always");
	CHECK_OK(madvise(p, HUGE, MADV_REMOVE));
	fill_through_ptes(p);

	CHECK_OK(madvise(p, HUGE, MADV_COLLAPSE));
	CHECK_MSG(huge_mapped() > before, "PTEs map it still");
	check_after_reclaim(p);
}

/* Small pages that are this process's only. */
static char *own_pages(u64 size)
{
	char *p = mmap(NULL, size, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK_OK(p);
	CHECK_OK(madvise(p, size, MADV_NOHUGEPAGE));
	return p;
}

static void compacted(void)
{
	u64 size = opt_quick ? 32 * MIB : 128 * MIB, at;
	u64 n = size / PAGE, *before, *after, moved;
	struct user users[USERS];
	pid_t pids[USERS];
	char *p, *other, *above;
	int fd, i;

	test_set(SHMEM_ENABLED, "never");
	before = calloc(n, sizeof(*before));
	after = calloc(n, sizeof(*after));
	CHECK(before && after);
	/* Compaction moves upwards: where memory is given out from its end, there is room then. */
	above = own_pages(size);
	memset(above, 1, size);
	/* Every second page goes again: the region's are what is between the holes. */
	p = simple_region("a", size, &fd);
	other = own_pages(size);
	for (at = 0; at < size; at += PAGE) {
		p[at] = 0;
		other[at] = 1;
	}
	CHECK_OK(munmap(other, size));
	CHECK_OK(munmap(above, size));

	begin_use(users, pids, p, size);
	frames_read(p, n, before);
	for (i = 0; i < 3; i++)
		file_write("/proc/sys/vm/compact_memory", "1");
	frames_read(p, n, after);
	end_use(pids, p, size);
	moved = frames_changed(before, after, n);
	test_note("%llu of %llu pages were moved", (unsigned long long)moved,
		  (unsigned long long)n);
	CHECK(moved > 0);
}

static int nodes(void)
{
	int n = 0;
	char path[64];

	do
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d", n);
	while (!access(path, F_OK) && ++n);
	return n;
}

/* Ask for n pages to be moved to a node; how many say that they are there now. */
static int move(char *p, size_t n, int node, int *status)
{
	void **page = calloc(n, sizeof(*page));
	int *to = calloc(n, sizeof(*to));
	size_t i, there = 0;

	CHECK(page && to);
	for (i = 0; i < n; i++) {
		page[i] = p + i * PAGE;
		to[i] = node;
	}
	CHECK_OK(syscall(SYS_move_pages, 0, n, page, to, status, MPOL_MF_MOVE_ALL));
	for (i = 0; i < n; i++)
		there += status[i] == node;
	free(page);
	free(to);
	return there;
}

/* Each page is copied while it is stored to: from then on until the flush a store would be lost. */
static void moved_below_counter(void)
{
	static int status[COUNTED];
	int memory = sparse_file(memfd, COUNTED), fd, i, there = 0;
	char *direct = plain_mmap(memory, COUNTED);
	pid_t pid;

	if (nodes() < 2)
		test_skip("the machine has one NUMA node");
	file_region(memory, COUNTED, &fd);
	run_on_cpu(0);
	pid = spawn(count_in_pages, (void *)1);
	flag_await(0, 1);
	/* What the process has in its page tables is moved. */
	for (i = 0; i < COUNTED; i++)
		get(direct + i * PAGE);
	for (i = 0; i < (opt_quick ? 40 : 400); i++)
		there += move(direct, COUNTED, i & 1, status);
	flag_raise(1);
	join_ok(pid);
	test_note("%d moves", there);
	CHECK(there > COUNTED);
}

static void moved_between_nodes(void)
{
	static int status[256];
	struct user users[USERS];
	pid_t pids[USERS];
	char *p, *direct;
	int fd, memory, i, there = 0;
	const u64 size = ARRAY_SIZE(status) * PAGE;

	if (nodes() < 2)
		test_skip("the machine has one NUMA node");
	memory = memfd_create("moved", MFD_CLOEXEC);
	CHECK_OK(memory);
	CHECK_OK(ftruncate(memory, size));
	fd = region_new("a", 1);
	CHECK_OK(object_create(fd, 0, size, RW, MAP_SHARED | MAP_FIXED, memory, 0));
	p = region_map(fd, RW);
	direct = mmap(NULL, size, RW, MAP_SHARED, memory, 0);
	CHECK_OK(direct);
	memset(p, 0, size);
	/* Pages are found by the page tables of who asks. */
	memset(direct, 0, size);

	begin_use(users, pids, p, size);
	for (i = 0; i < (opt_quick ? 6 : 40); i++)
		there += move(direct, ARRAY_SIZE(status), i & 1, status);
	end_use(pids, p, size);
	test_note("%d moves", there);
	CHECK(there > (int)ARRAY_SIZE(status));
}

/* The region's pages can't be moved through it, and answer so one by one. */
static void not_moved_by_client(void)
{
	static int status[16];
	size_t i;
	char *p;
	int fd;

	if (nodes() < 2)
		test_skip("the machine has one NUMA node");
	p = simple_region("a", MIB, &fd);
	fill(p, MIB, 1);
	move(p, ARRAY_SIZE(status), 1, status);
	for (i = 0; i < ARRAY_SIZE(status); i++)
		CHECK_MSG(status[i] == -EFAULT, "page %zu: %d", i, status[i]);
	check_pattern(p, MIB, 1);
}

/* migrate_pages() moves what a process has for itself, and leaves the region where it is. */
static void not_migrated_by_client(void)
{
	const unsigned long from = 1, to = 2;	/* sets of nodes: 0 and 1 */
	static u64 before[256], after[256];
	const u64 size = ARRAY_SIZE(before) * PAGE;
	int fd, round;
	char *p, *own;

	if (nodes() < 2)
		test_skip("the machine has one NUMA node");
	test_set(SHMEM_ENABLED, "never");
	p = simple_region("a", size, &fd);
	fill(p, size, 1);
	own = own_pages(size);
	fill(own, size, 2);
	/* The region's pages are on one node or the other: try both ways. */
	for (round = 0; round < 2; round++) {
		const unsigned long *old = round ? &to : &from, *new = round ? &from : &to;

		frames_read(p, ARRAY_SIZE(before), before);
		CHECK_OK(syscall(SYS_migrate_pages, 0, 8 * sizeof(to), old, new));
		frames_read(p, ARRAY_SIZE(after), after);
		CHECK(frames_changed(before, after, ARRAY_SIZE(before)) == 0);
		check_pattern(p, size, 1);
	}
	frames_read(own, ARRAY_SIZE(before), before);
	CHECK_OK(syscall(SYS_migrate_pages, 0, 8 * sizeof(to), &from, &to));
	frames_read(own, ARRAY_SIZE(after), after);
	CHECK_MSG(frames_changed(before, after, ARRAY_SIZE(before)) > ARRAY_SIZE(before) / 2,
		  "what the process has for itself was not moved");
	check_pattern(own, size, 2);
}

/* How many faults it takes to read from each page. */
static long faults_of_walk(const char *p, u64 size)
{
	long before = faults();
	u64 at;

	for (at = 0; at < size; at += PAGE)
		get(p + at);
	return faults() - before;
}

static void *idle(void *unused)
{
	for (;;)
		pause();
	return unused;
}

/* Balancing makes pages inaccessible, to see by the faults who uses them; not a region's. */
static void not_balanced(void)
{
	const u64 size = 16 * MIB;
	const long pages = size / PAGE;
	long on_region = 0, on_own = 0;
	pthread_t thread;
	char *p, *own;
	int fd;

	if (nodes() < 2)
		test_skip("the machine has one NUMA node");
	test_set("/proc/sys/kernel/numa_balancing", "1");
	test_set(SHMEM_ENABLED, "never");
	p = simple_region("a", size, &fd);
	fill(p, size, 1);
	own = own_pages(size);
	fill(own, size, 2);
	/* Of a process with one thread, it would look at memory on other nodes only. */
	CHECK(pthread_create(&thread, NULL, idle, NULL) == 0);
	/* The limit on the time that a case may take ends this where there are none. */
	while (on_own < 2 * pages) {
		on_own += faults_of_walk(own, size);
		on_region += faults_of_walk(p, size);
	}
	test_note("faults of balancing: %ld on memory of the process, %ld on the region", on_own,
		  on_region);
	/* A few are those of the program's text and stack. */
	CHECK(on_region < pages / 16);
	check_pattern(p, size, 1);
}

/* The state of a block of memory: 0, or -1 where the kernel refuses. */
static int set_block(const char *block, const char *state)
{
	char path[320];
	int fd, ret;

	snprintf(path, sizeof(path), "/sys/devices/system/memory/%s/state", block);
	fd = open(path, O_WRONLY);
	if (fd == -1)
		return -1;
	ret = write(fd, state, strlen(state)) == (ssize_t)strlen(state) ? 0 : -1;
	close(fd);
	return ret;
}

static u64 block_frames(void)
{
	char text[32];

	file_read("/sys/devices/system/memory/block_size_bytes", text, sizeof(text));
	return strtoull(text, NULL, 16) / PAGE;
}

/* How many of these frames are in the block "memoryN". */
static u64 in_block(const u64 *frame, u64 n, const char *block)
{
	u64 number = strtoull(block + strlen("memory"), NULL, 10), size = block_frames();
	u64 count = 0, i;

	for (i = 0; i < n; i++)
		count += frame[i] && frame[i] / size == number;
	return count;
}

static void offlined(void)
{
	const char *blocks = "/sys/devices/system/memory";
	const unsigned long first_node = 1;
	u64 n = 256 * MIB / PAGE, *before, *after, moved = 0;	/* in several blocks */
	struct user users[USERS];
	struct dirent *entry;
	pid_t pids[USERS];
	int fd, taken = 0, tried = 0;
	char *p;
	DIR *dir;

	dir = opendir(blocks);
	if (!dir)
		test_skip("there is no %s", blocks);
	before = calloc(n, sizeof(*before));
	after = calloc(n, sizeof(*after));
	CHECK(before && after);
	p = simple_region("a", n * PAGE, &fd);
	/* From one node: fills what of it is movable, and not only the last block of each. */
	syscall(SYS_set_mempolicy, MPOL_BIND, &first_node, 8 * sizeof(first_node));
	memset(p, 0, n * PAGE);
	syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0);
	begin_use(users, pids, p, n * PAGE);
	while ((entry = readdir(dir)) && taken < 3) {
		u64 here;

		if (strncmp(entry->d_name, "memory", strlen("memory")))
			continue;
		frames_read(p, n, before);
		here = in_block(before, n, entry->d_name);
		if (!here)
			continue;
		tried++;
		if (set_block(entry->d_name, "offline"))
			continue;
		frames_read(p, n, after);
		CHECK(in_block(after, n, entry->d_name) == 0);
		CHECK_OK(set_block(entry->d_name, "online"));
		taken++;
		moved += here;
	}
	closedir(dir);
	end_use(pids, p, n * PAGE);
	if (!taken)
		test_skip("none of %d blocks with pages of the region could be taken offline",
			  tried);
	test_note("%d of %d blocks were offline, %llu pages moved", taken, tried,
		  (unsigned long long)moved);
}

static void poisoned_for_other(void *arg)
{
	char *p = region_map(region_open("a", O_RDWR), RW);
	unsigned char value;

	CHECK(peek(p + (uintptr_t)arg, &value) == SIGBUS);
	check_pattern(p, (uintptr_t)arg, 1);
}

static void poisoned(void)
{
	const u64 bad = 5 * PAGE;
	char *p;
	int fd;

	p = simple_region("a", MIB, &fd);
	fill(p, MIB, 1);
	poison(p + bad);
	CHECK(poke(p + bad, 1) == SIGBUS);
	join_ok(spawn(poisoned_for_other, (void *)bad));
	check_pattern(p + bad + PAGE, MIB - bad - PAGE, 1 + (bad + PAGE) / 8);
	/* A new object has a new page. */
	CHECK_OK(object_add(fd, bad, PAGE));
	check_zero(p + bad, PAGE);
}

static void soft_offlined(void)
{
	static u64 before[16], after[16];
	struct user users[USERS];
	pid_t pids[USERS];
	char *p;
	int fd, i;

	p = simple_region("a", MIB, &fd);
	memset(p, 0, MIB);
	begin_use(users, pids, p, MIB);
	frames_read(p, ARRAY_SIZE(before), before);
	for (i = 0; i < (int)ARRAY_SIZE(before); i++) {
		if (!madvise(p + i * PAGE, PAGE, MADV_SOFT_OFFLINE))
			continue;
		if (errno == EINVAL)
			test_skip("the kernel has no memory failure injection");
		CHECK_MSG(errno == EBUSY || errno == EIO, "%s", strerror(errno));
	}
	frames_read(p, ARRAY_SIZE(after), after);
	end_use(pids, p, MIB);
	CHECK(frames_changed(before, after, ARRAY_SIZE(before)) > 0);
}

/* The numbers of the newest generations of all nodes and cgroups, added: aging makes it grow. */
static u64 newest_generations(void)
{
	FILE *file = fopen(DEBUGFS "/lru_gen", "r");
	u64 seq = 0, age, sum = 0;
	char line[256];

	CHECK(file);
	/* The last of the lines with a number and an age is that of the newest. */
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%llu %llu", (unsigned long long *)&seq,
			   (unsigned long long *)&age) != 2) {
			sum += seq;
			seq = 0;
		}
	fclose(file);
	return sum + seq;
}

static void with_generations(void)
{
	const u64 size = 16 * MIB, some = size / 4 / PAGE;	/* more than all else has */
	u64 generations, written, aged = 0, evicted = 0;
	struct user users[USERS];
	pid_t pids[USERS];
	char *p;
	int fd, i;

	need_swap(16 * MIB);
	need_groups();
	test_set("/sys/kernel/mm/lru_gen/enabled", "y");
	need_debugfs();
	p = simple_region("a", size, &fd);
	memset(p, 0, size);
	begin_use(users, pids, p, size);
	for (i = 0; i < 4; i++)
		CHECK_OK(madvise(p, size, i & 1 ? MADV_PAGEOUT : MADV_COLD));
	/* Advice moves single pages; it is reclaim that ages all, and evicts the oldest. */
	generations = newest_generations();
	written = vm_stat("pswpout");
	for (i = 0; i < 4 || (i < 200 && (!aged || evicted <= some)); i++) {
		if (!press_for_memory("4M"))
			test_skip("no memory.reclaim");
		aged = newest_generations() - generations;
		evicted = vm_stat("pswpout") - written;
	}
	end_use(pids, p, size);
	drop_groups();
	test_note("after %d times: %llu generations more, %llu pages written", i,
		  (unsigned long long)aged, (unsigned long long)evicted);
	CHECK(aged > 0);
	CHECK(evicted > some);
}

static const struct test_case cases[] = {
	{ "huge pages by a fault serve all processes", huge_by_fault },
	{ "a huge page is split by the removal of a part", huge_split_by_unmap },
	{ "huge pages go to swap and back under four writers", huge_to_swap, .slow = 4 },
	{ "khugepaged merges pages under four writers", huge_by_khugepaged, .slow = 2 },
	{ "khugepaged maps a huge page anew, and no store is lost", huge_again_by_khugepaged,
	  .slow = 2 },
	{ "MADV_COLLAPSE maps a huge page anew, and no store is lost", huge_again_by_collapse },
	{ "compaction moves pages under four writers", compacted, .slow = 3 },
	{ "pages move between nodes, and no store is lost", moved_below_counter, .slow = 2 },
	{ "pages move between nodes under four writers", moved_between_nodes, .slow = 2 },
	{ "move_pages() through a mapping is EFAULT for each page", not_moved_by_client },
	{ "migrate_pages() leaves a region where it is", not_migrated_by_client },
	{ "NUMA balancing leaves regions alone", not_balanced },
	{ "memory goes offline under four writers", offlined, .slow = 4 },
	{ "a page that failed is SIGBUS for every process, the others stay", poisoned },
	{ "pages are moved off bad memory under four writers", soft_offlined },
	{ "aging and eviction by generations under four writers", with_generations, .slow = 2 },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
