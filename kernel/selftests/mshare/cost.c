// SPDX-License-Identifier: GPL-2.0
/*
 * How many instructions common calls and faults take, on any kernel: what
 * msharefs costs those that do not use it is the difference between kernels.
 *
 * The machine must count instructions by its time stamp counter, as QEMU does
 * with -icount shift=0, and have one CPU. Its counter jumps ahead when the CPU is
 * idle: nothing that is measured may sleep. This measures and judges nothing: a
 * line of JSON for each measurement. Nothing in here needs msharefs.
 *
 * Options: -n rounds, -t seconds that the whole may take. The only argument
 * "exit" does nothing; it is what the program executes to measure exec.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "region.h"

#define PAGES	1024UL
#define LENGTH	(PAGES * PAGE)
#define PIPE	16UL	/* pages that fit into a pipe */

struct measure {
	const char *name;
	/* What was done so often, and the instructions of it all. */
	unsigned long (*run)(u64 *instructions);
};

static int memory;		/* a memfd of PAGES pages, all there */
static int disk_fd;

static inline u64 counter(void)
{
	u32 low, high;

	asm volatile("rdtsc" : "=a" (low), "=d" (high) :: "memory");
	return (u64)high << 32 | low;
}

static void store_all(char *p)
{
	unsigned long i;

	for (i = 0; i < PAGES; i++)
		__atomic_store_n(p + i * PAGE, 1, __ATOMIC_RELAXED);
}

static void load_all(char *p)
{
	unsigned long i;

	for (i = 0; i < PAGES; i++)
		(void)__atomic_load_n(p + i * PAGE, __ATOMIC_RELAXED);
}

static char *map(int flags, int fd)
{
	char *p = mmap(NULL, LENGTH, RW, flags, fd, 0);

	CHECK_OK(p);
	/* One fault a page: huge pages would make it depend on what is free. */
	CHECK_OK(madvise(p, LENGTH, MADV_NOHUGEPAGE));
	return p;
}

static char *map_anonymous(void)
{
	return map(MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static char *map_stored(void)
{
	char *p = map_anonymous();

	store_all(p);
	return p;
}

static unsigned long touch_and_unmap(char *p, void (*touch)(char *p), u64 *instructions)
{
	u64 from = counter();

	touch(p);
	*instructions = counter() - from;
	CHECK_OK(munmap(p, LENGTH));
	return PAGES;
}

static unsigned long fault_anonymous(u64 *instructions)
{
	return touch_and_unmap(map_anonymous(), store_all, instructions);
}

static unsigned long fault_shared(u64 *instructions)
{
	return touch_and_unmap(map(MAP_SHARED, memory), store_all, instructions);
}

static unsigned long fault_around(u64 *instructions)
{
	return touch_and_unmap(map(MAP_SHARED, memory), load_all, instructions);
}

static unsigned long fault_copy(u64 *instructions)
{
	char *p = map(MAP_PRIVATE, memory);

	load_all(p);
	return touch_and_unmap(p, store_all, instructions);
}

static unsigned long map_unmap(u64 *instructions)
{
	const unsigned long n = 3000;
	u64 from = counter();
	unsigned long i;

	for (i = 0; i < n; i++) {
		void *p = mmap(NULL, LENGTH, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		CHECK_OK(p);
		CHECK_OK(munmap(p, LENGTH));
	}
	*instructions = counter() - from;
	return n;
}

/* One call, on pages that were stored to. */
static unsigned long call_on_stored(void (*call)(char *p), u64 *instructions)
{
	char *p = map_stored();
	u64 from = counter();

	call(p);
	*instructions = counter() - from;
	CHECK_OK(munmap(p, LENGTH));
	return PAGES;
}

static void unmap_all(char *p)
{
	CHECK_OK(munmap(p, LENGTH));
}

static unsigned long unmap_touched(u64 *instructions)
{
	return call_on_stored(unmap_all, instructions);
}

static void drop_all(char *p)
{
	CHECK_OK(madvise(p, LENGTH, MADV_DONTNEED));
}

static unsigned long dontneed(u64 *instructions)
{
	return call_on_stored(drop_all, instructions);
}

static void lock_all(char *p)
{
	CHECK_OK(mlock(p, LENGTH));
	CHECK_OK(munlock(p, LENGTH));
}

static unsigned long lock_unlock(u64 *instructions)
{
	return call_on_stored(lock_all, instructions);
}

static unsigned long protect(u64 *instructions)
{
	const unsigned long n = 3000;
	char *p = map_anonymous();
	u64 from = counter();
	unsigned long i;

	for (i = 0; i < n; i++) {
		CHECK_OK(mprotect(p, LENGTH, PROT_READ));
		CHECK_OK(mprotect(p, LENGTH, RW));
	}
	*instructions = counter() - from;
	CHECK_OK(munmap(p, LENGTH));
	return n;
}

/* Page by page: from one place in a page table to another. */
static unsigned long move(u64 *instructions)
{
	char *p = map_anonymous(), *room, *to;
	u64 from;

	room = mmap(NULL, LENGTH + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK_OK(room);
	/* Not by as much as a page table covers, which would move whole tables. */
	to = room + ((uintptr_t)(p - room) % (512 * PAGE) ? 0 : PAGE);
	store_all(p);
	from = counter();
	CHECK_OK(mremap(p, LENGTH, LENGTH, MREMAP_MAYMOVE | MREMAP_FIXED, to));
	*instructions = counter() - from;
	CHECK_OK(munmap(room, LENGTH + PAGE));
	return PAGES;
}

/* What such calls cost before they come to any page. */
static unsigned long advise_one(u64 *instructions)
{
	const unsigned long n = 3000;
	char *p = map_anonymous();
	u64 from = counter();
	unsigned long i;

	for (i = 0; i < n; i++)
		CHECK_OK(madvise(p, PAGE, MADV_DONTNEED));
	*instructions = counter() - from;
	CHECK_OK(munmap(p, LENGTH));
	return n;
}

/* The same; a mapping of its own, so that none is split and merged. */
static unsigned long lock_one(u64 *instructions)
{
	const unsigned long n = 1000;
	char *p = mmap(NULL, PAGE, RW, MAP_SHARED, memory, 0);
	unsigned long i;
	u64 from;

	CHECK_OK(p);
	put(p, 1);
	from = counter();
	for (i = 0; i < n; i++) {
		CHECK_OK(mlock(p, PAGE));
		CHECK_OK(munlock(p, PAGE));
	}
	*instructions = counter() - from;
	CHECK_OK(munmap(p, PAGE));
	return n;
}

static u64 fork_exit_wait(unsigned long n)
{
	u64 from = counter();

	while (n--) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		CHECK_OK(pid);
		CHECK_OK(waitpid(pid, NULL, 0));
	}
	return counter() - from;
}

static unsigned long fork_small(u64 *instructions)
{
	const unsigned long n = 60;

	*instructions = fork_exit_wait(n);
	return n;
}

static unsigned long fork_touched(u64 *instructions)
{
	const unsigned long n = 30;
	char *p = map_anonymous();

	store_all(p);
	*instructions = fork_exit_wait(n);
	CHECK_OK(munmap(p, LENGTH));
	return n;
}

static void execute_once(void)
{
	static char * const argv[] = { "cost", "exit", NULL };
	static char * const envp[] = { NULL };
	pid_t pid = vfork();
	int status;

	if (!pid) {
		execve("/proc/self/exe", argv, envp);
		_exit(1);
	}
	CHECK_OK(pid);
	CHECK_OK(waitpid(pid, &status, 0));
	CHECK(!status);
}

static unsigned long execute(u64 *instructions)
{
	const unsigned long n = 40;
	u64 from = counter();
	unsigned long i;

	for (i = 0; i < n; i++)
		execute_once();
	*instructions = counter() - from;
	return n;
}

/* The kernel looks pages up to write to them, without a fault: get_user_pages_fast(). */
static unsigned long futex_pages(u64 *instructions)
{
	char *p = map(MAP_SHARED, memory);
	unsigned long i;
	u64 from;

	store_all(p);
	from = counter();
	for (i = 0; i < PAGES; i++)
		CHECK_OK(syscall(SYS_futex, p + i * PAGE, FUTEX_WAKE, 1, NULL, NULL, 0));
	*instructions = counter() - from;
	CHECK_OK(munmap(p, LENGTH));
	return PAGES;
}

/* The same to read them. */
static unsigned long splice_pages(u64 *instructions)
{
	const unsigned long n = 64;
	char *p = map_anonymous();
	struct iovec pages = { .iov_base = p, .iov_len = PIPE * PAGE };
	int null = open("/dev/null", O_WRONLY), pipes[2];
	unsigned long i;
	u64 from;

	CHECK_OK(null);
	CHECK_OK(pipe(pipes));
	store_all(p);
	from = counter();
	for (i = 0; i < n; i++) {
		CHECK(vmsplice(pipes[1], &pages, 1, 0) == PIPE * PAGE);
		CHECK(splice(pipes[0], NULL, null, NULL, PIPE * PAGE, 0) == PIPE * PAGE);
	}
	*instructions = counter() - from;
	CHECK_OK(close(null));
	CHECK_OK(close(pipes[0]));
	CHECK_OK(close(pipes[1]));
	CHECK_OK(munmap(p, LENGTH));
	return n * PIPE;
}

static unsigned long read_process(u64 *instructions)
{
	const unsigned long n = 8;
	static char to[64 * PAGE];
	char *p = map_anonymous();
	struct iovec local = { .iov_base = to, .iov_len = sizeof(to) };
	struct iovec remote = { .iov_base = p, .iov_len = sizeof(to) };
	unsigned long i;
	u64 from;

	store_all(p);
	memset(to, 1, sizeof(to));
	from = counter();
	for (i = 0; i < n; i++)
		CHECK(process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == sizeof(to));
	*instructions = counter() - from;
	CHECK_OK(munmap(p, LENGTH));
	return n * 64;
}

/* Clean pages of a file: found by their mappings, unmapped, freed, and nothing is written. */
static unsigned long reclaim(u64 *instructions)
{
	unsigned char there[PAGES];
	unsigned long i, left = 0;
	u64 from;
	char *p;

	p = mmap(NULL, LENGTH, PROT_READ, MAP_SHARED, disk_fd, 0);
	CHECK_OK(p);
	load_all(p);
	from = counter();
	CHECK_OK(madvise(p, LENGTH, MADV_PAGEOUT));
	*instructions = counter() - from;
	CHECK_OK(mincore(p, LENGTH, there));
	for (i = 0; i < PAGES; i++)
		left += there[i] & 1;
	CHECK_MSG(left < PAGES / 10, "%lu of %lu pages were not reclaimed", left, PAGES);
	CHECK_OK(munmap(p, LENGTH));
	return PAGES - left;
}

static const struct measure measures[] = {
	{ "fault-anonymous", fault_anonymous },
	{ "fault-shared", fault_shared },
	{ "fault-around", fault_around },
	{ "fault-copy", fault_copy },
	{ "mmap-munmap", map_unmap },
	{ "munmap-touched", unmap_touched },
	{ "madvise-dontneed", dontneed },
	{ "madvise-one", advise_one },
	{ "mprotect", protect },
	{ "mremap", move },
	{ "mlock-munlock", lock_unlock },
	{ "mlock-one", lock_one },
	{ "fork-exit", fork_small },
	{ "fork-exit-touched", fork_touched },
	{ "exec", execute },
	{ "futex", futex_pages },
	{ "vmsplice", splice_pages },
	{ "process-vm-readv", read_process },
	{ "reclaim", reclaim },
};

static u64 loop(u64 n)
{
	u64 from = counter();

	asm volatile("1: dec %0; jnz 1b" : "+r" (n));
	return counter() - from;
}

/* Two instructions each time round, or the counter counts something else. */
static void check_counter(void)
{
	u64 a = ULONG_MAX, b = ULONG_MAX;
	int i;

	/* An interrupt adds its own. */
	for (i = 0; i < 20; i++) {
		u64 once = loop(1000), twice = loop(2000);

		a = once < a ? once : a;
		b = twice < b ? twice : b;
	}
	CHECK_MSG(b - a == 2000, "2000 instructions count as %llu: use QEMU's -icount shift=0",
		  (unsigned long long)(b - a));
	CHECK(sysconf(_SC_NPROCESSORS_ONLN) == 1);
}

static void make_files(void)
{
	static const char page[PAGE];
	const char *folder = getenv("MSHARE_DISK");
	static char name[PATH_MAX];
	unsigned long i;
	char *p;

	memory = memfd_create("cost", MFD_CLOEXEC);
	CHECK_OK(memory);
	CHECK_OK(ftruncate(memory, LENGTH));
	p = map(MAP_SHARED, memory);
	store_all(p);
	CHECK_OK(munmap(p, LENGTH));

	CHECK_MSG(folder, "set MSHARE_DISK to a directory on a disk");
	snprintf(name, sizeof(name), "%s/cost-XXXXXX", folder);
	disk_fd = mkostemp(name, O_CLOEXEC);
	CHECK_OK(disk_fd);
	CHECK_OK(unlink(name));
	for (i = 0; i < PAGES; i++)
		CHECK(write(disk_fd, page, PAGE) == PAGE);
	CHECK_OK(fsync(disk_fd));
}

static unsigned long parse(const char *text, unsigned long most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (end == text || *end || !value || value > most) {
		fprintf(stderr, "%s: give a number from 1 to %lu\n", text, most);
		exit(KSFT_FAIL);
	}
	return value;
}

int main(int argc, char **argv)
{
	unsigned long rounds = 25, round;
	struct utsname name;
	size_t i;
	int c;

	if (argc == 2 && !strcmp(argv[1], "exit"))
		return KSFT_PASS;
	while ((c = getopt(argc, argv, "n:t:")) != -1) {
		if (c == 'n') {
			rounds = parse(optarg, 1000);
		} else if (c == 't') {
			alarm(parse(optarg, INT_MAX));
		} else {
			fprintf(stderr, "usage: %s [-n ROUNDS] [-t SECONDS]\n", argv[0]);
			return KSFT_FAIL;
		}
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	check_counter();
	make_files();
	CHECK_OK(uname(&name));
	printf("{\"release\": \"%s\", \"rounds\": %lu}\n", name.release, rounds);
	/* The first is not told: memory and caches of the kernel are new to it. */
	for (round = 0; round <= rounds; round++)
		for (i = 0; i < ARRAY_SIZE(measures); i++) {
			u64 instructions;
			unsigned long count = measures[i].run(&instructions);

			if (!round)
				continue;
			printf("{\"measure\": \"%s\", \"round\": %lu, ", measures[i].name, round);
			printf("\"count\": %lu, \"instructions\": %llu}\n", count,
			       (unsigned long long)instructions);
		}
	return KSFT_PASS;
}
