// SPDX-License-Identifier: GPL-2.0
/*
 * What a process may do to its mapping of a region: mmap, munmap, mprotect, mremap, mlock, madvise.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "objfile.h"
#include "region.h"

/* Of Linux 6.7; Debian 12's headers are older. */
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED	0x2000
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC		0x8000
#endif

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP	4
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED	24
#endif
#ifndef SYS_mseal			/* Linux 6.10 */
#define SYS_mseal		462
#endif

/* The region has PAGES pages filled with a pattern; another mapping of it sees that, too. */
#define PAGES	64UL
#define SIZE	(PAGES * PAGE)
#define SEED	11

static int the_fd;

static char *pattern_region(void)
{
	char *p = simple_region("a", SIZE, &the_fd);

	fill(p, SIZE, SEED);
	return p;
}

static void intact(const char *p)
{
	check_pattern(p, SIZE, SEED);
	check_pattern(region_map(region_open("a", O_RDONLY), PROT_READ), SIZE, SEED);
}

/* Among the flags that smaps shows for a whole mapping of the region; " lo": it is locked. */
static bool has_flag(const char *p, const char *flag)
{
	return strstr(vm_flags(p, granule()), flag);
}

static void mmap_before_size(void)
{
	int fd = region_file("a");

	CHECK_ERR(mmap(NULL, granule(), RW, MAP_SHARED, fd, 0), EINVAL);
	CHECK_ERR(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0), EINVAL);
}

static void mmap_private(void)
{
	int fd = region_new("a", 1);

	CHECK_ERR(mmap(NULL, granule(), RW, MAP_PRIVATE, fd, 0), EINVAL);
	CHECK_ERR(mmap(NULL, granule(), PROT_READ, MAP_PRIVATE, fd, 0), EINVAL);
}

static void mmap_other_length(void)
{
	u64 g = granule();
	int fd = region_new("a", 2);

	CHECK_ERR(mmap(NULL, g, RW, MAP_SHARED, fd, 0), EINVAL);
	CHECK_ERR(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0), EINVAL);
	CHECK_ERR(mmap(NULL, 2 * g - PAGE, RW, MAP_SHARED, fd, 0), EINVAL);
	CHECK_ERR(mmap(NULL, 2 * g + 1, RW, MAP_SHARED, fd, 0), EINVAL);
	CHECK_ERR(mmap(NULL, 3 * g, RW, MAP_SHARED, fd, 0), EINVAL);
	CHECK_ERR(mmap(NULL, 0, RW, MAP_SHARED, fd, 0), EINVAL);
}

static void mmap_length_rounds_up(void)
{
	u64 g = granule();
	int fd = region_new("a", 1);
	char *p;

	CHECK_OK(object_add(fd, g - PAGE, PAGE));
	p = mmap(NULL, g - 1, RW, MAP_SHARED, fd, 0);
	CHECK_OK(p);
	put(p + g - 1, 1);
	CHECK_OK(munmap(p, g - PAGE + 1));
}

static void mmap_pgoff(void)
{
	u64 g = granule();
	int fd = region_new("a", 2);

	CHECK_ERR(mmap(NULL, 2 * g, RW, MAP_SHARED, fd, PAGE), EINVAL);
	CHECK_ERR(mmap(NULL, g, RW, MAP_SHARED, fd, g), EINVAL);
	CHECK_ERR(mmap(NULL, 2 * g, RW, MAP_SHARED, fd, g), EINVAL);
}

static void mmap_fixed_off_granule(void)
{
	u64 g = granule();
	char *range = free_range(3 * g);
	int fd = region_new("a", 1);

	CHECK_ERR(mmap(range + PAGE, g, RW, MAP_SHARED | MAP_FIXED, fd, 0), EINVAL);
	CHECK_ERR(mmap(range + 2 * MIB, g, RW, MAP_SHARED | MAP_FIXED, fd, 0), EINVAL);
	CHECK_ERR(mmap(range + g / 2, g, RW, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0), EINVAL);
	CHECK(mmap(range + g, g, RW, MAP_SHARED | MAP_FIXED, fd, 0) == range + g);
}

/* A refused fixed mapping must leave alone what was there. */
static void mmap_refused_keeps_old(void)
{
	u64 g = granule();
	char *range = free_range(3 * g), *old = range + g + MIB;
	int fd = region_new("a", 1);

	CHECK(mmap(old, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == old);
	put(old, 5);
	CHECK_ERR(mmap(range + g + PAGE, g, RW, MAP_SHARED | MAP_FIXED, fd, 0), EINVAL);
	CHECK(get(old) == 5);
	CHECK_ERR(mmap(range + g, g, RW, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0), EEXIST);
	CHECK(get(old) == 5);
	CHECK(mmap(range + g, g, RW, MAP_SHARED | MAP_FIXED, fd, 0) == range + g);
	CHECK_OK(object_add(fd, MIB, PAGE));
	CHECK(get(old) == 0);
}

static void mmap_hint(void)
{
	u64 g = granule();
	char *range = free_range(4 * g), *p;
	int fd = region_new("a", 1);

	CHECK_OK(object_add(fd, 0, PAGE));
	p = mmap(range + g + 5 * PAGE, g, RW, MAP_SHARED, fd, 0);
	CHECK_OK(p);
	CHECK((uintptr_t)p % g == 0);
	put(p, 1);
	p = mmap(range + 3 * g, g, RW, MAP_SHARED, fd, 0);
	CHECK_OK(p);
	CHECK((uintptr_t)p % g == 0);
	CHECK(get(p) == 1);
}

static void mmap_over_region(void)
{
	int fd, other;
	char *p, *q;

	p = simple_region("a", PAGE, &fd);
	q = simple_region("b", PAGE, &other);
	put(p, 1);
	put(q, 2);
	CHECK(mmap(p, granule(), RW, MAP_SHARED | MAP_FIXED, other, 0) == p);
	CHECK(get(p) == 2);
	put(p, 3);
	CHECK(get(q) == 3);
	CHECK(get(region_map(fd, PROT_READ)) == 1);
}

static void mmap_private_over_part(void)
{
	char *p = pattern_region();

	CHECK_ERR(mmap(p, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), EINVAL);
	intact(p);
}

static void mmap_descriptor_rights(void)
{
	int ro, wo;
	char *p = pattern_region();

	ro = region_open("a", O_RDONLY);
	wo = region_open("a", O_WRONLY);
	CHECK_ERR(mmap(NULL, granule(), RW, MAP_SHARED, ro, 0), EACCES);
	CHECK_ERR(mmap(NULL, granule(), PROT_WRITE, MAP_SHARED, ro, 0), EACCES);
	CHECK_ERR(mmap(NULL, granule(), RW, MAP_SHARED, wo, 0), EACCES);
	CHECK(region_map(ro, PROT_READ) != p);
}

static void mmap_exec(void)
{
	int fd = region_new("a", 1);

	CHECK_ERR(mmap(NULL, granule(), PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0), EPERM);
	CHECK_ERR(mmap(NULL, granule(), RW | PROT_EXEC, MAP_SHARED, fd, 0), EPERM);
	CHECK_ERR(mmap(NULL, granule(), PROT_EXEC, MAP_SHARED, fd, 0), EPERM);
}

static void mmap_populate(void)
{
	int fd = region_new("a", 1);
	char *p;

	CHECK_OK(object_add(fd, 0, SIZE));
	p = mmap(NULL, granule(), RW, MAP_SHARED | MAP_POPULATE, fd, 0);
	CHECK_OK(p);
	put(p + SIZE - 1, 1);
}

static void munmap_off_granule(void)
{
	u64 g = granule();
	int fd = region_new("a", 3);
	char *p = region_map(fd, RW);

	CHECK_OK(object_add(fd, 0, SIZE));
	fill(p, SIZE, SEED);
	CHECK_ERR(munmap(p, PAGE), EINVAL);
	CHECK_ERR(munmap(p, g - PAGE), EINVAL);
	CHECK_ERR(munmap(p, g + PAGE), EINVAL);
	CHECK_ERR(munmap(p + PAGE, g), EINVAL);
	CHECK_ERR(munmap(p + PAGE, 3 * g - PAGE), EINVAL);
	CHECK_ERR(munmap(p + g - PAGE, 2 * PAGE), EINVAL);
	intact(p);
}

static void munmap_granules(void)
{
	u64 g = granule();
	int fd = region_new("a", 3), i;
	char *p = region_map(fd, RW), *q = region_map(fd, RW);
	unsigned char c;

	for (i = 0; i < 3; i++) {
		CHECK_OK(object_add(fd, i * g, PAGE));
		put(p + i * g, i + 1);
		CHECK(get(q + i * g) == i + 1);
	}
	CHECK_OK(munmap(p + g, g));
	CHECK(peek(p + g, &c) == SIGSEGV);
	CHECK(get(p) == 1 && get(p + 2 * g) == 3);
	put(p + 2 * g, 9);
	CHECK(get(q + 2 * g) == 9 && get(q + g) == 2);
	CHECK_OK(munmap(p, g));
	CHECK(peek(p, &c) == SIGSEGV);
	CHECK(get(p + 2 * g) == 9);
	CHECK_OK(munmap(p, 3 * g));		/* holes in the range do not matter */
	CHECK(peek(p + 2 * g, &c) == SIGSEGV);
	for (i = 0; i < 2; i++)
		CHECK(get(q + i * g) == i + 1);
}

static void mprotect_refused(void)
{
	char *p = pattern_region();

	CHECK_ERR(mprotect(p, granule(), PROT_READ), EINVAL);
	CHECK_ERR(mprotect(p, granule(), PROT_NONE), EINVAL);
	CHECK_ERR(mprotect(p, granule(), RW), EINVAL);
	CHECK_ERR(mprotect(p, PAGE, PROT_READ), EINVAL);
	CHECK_ERR(mprotect(p + PAGE, PAGE, PROT_NONE), EINVAL);
	CHECK_ERR(mprotect(p, granule(), PROT_READ | PROT_EXEC), EACCES);
	put(p, get(p));
	intact(p);
}

static void mprotect_read_only_fd(void)
{
	char *p = pattern_region(), *q;

	q = region_map(region_open("a", O_RDONLY), PROT_READ);
	CHECK_ERR(mprotect(q, granule(), RW), EACCES);
	CHECK_ERR(mprotect(q, PAGE, PROT_WRITE), EACCES);
	CHECK(poke(q, 0) == SIGSEGV);
	intact(p);
}

static void mremap_grow(void)
{
	u64 g = granule();
	char *p = pattern_region();

	CHECK_ERR(mremap(p, g, 2 * g, 0), EINVAL);
	CHECK_ERR(mremap(p, g, 2 * g, MREMAP_MAYMOVE), EINVAL);
	CHECK_ERR(mremap(p, g, g + PAGE, 0), EINVAL);
	intact(p);
}

static void mremap_move(void)
{
	u64 g = granule();
	char *p = pattern_region(), *to = free_range(g);

	CHECK_ERR(mremap(p, g, g, MREMAP_MAYMOVE | MREMAP_FIXED, to), EINVAL);
	CHECK_ERR(mremap(p, g, g, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL), EINVAL);
	CHECK_ERR(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to), EINVAL);
	intact(p);
}

static void mremap_duplicate(void)
{
	u64 g = granule();
	char *p = pattern_region();

	CHECK_ERR(mremap(p, 0, g, MREMAP_MAYMOVE), EINVAL);
	CHECK_ERR(mremap(p, 0, PAGE, MREMAP_MAYMOVE), EINVAL);
	intact(p);
}

static void mremap_same_size(void)
{
	u64 g = granule();
	char *p = pattern_region();

	CHECK(mremap(p, g, g, 0) == p);
	CHECK(mremap(p, g, g, MREMAP_MAYMOVE) == p);
	CHECK(mremap(p, g, g - 1, 0) == p);
	intact(p);
}

static void mremap_shrink(void)
{
	u64 g = granule();
	int fd = region_new("a", 2);
	char *p = region_map(fd, RW);
	unsigned char c;

	CHECK_OK(object_add(fd, 0, SIZE));
	CHECK_OK(object_add(fd, g, SIZE));
	fill(p, SIZE, SEED);
	put(p + g, 1);
	CHECK_ERR(mremap(p, 2 * g, 2 * g - PAGE, 0), EINVAL);
	CHECK_ERR(mremap(p, 2 * g, PAGE, 0), EINVAL);
	CHECK(get(p + g) == 1);
	CHECK(mremap(p, 2 * g, g, 0) == p);
	CHECK(peek(p + g, &c) == SIGSEGV);
	intact(p);
	CHECK(get(region_map(fd, PROT_READ) + g) == 1);
}

static void mlock_refused(void)
{
	long locked = status_of(getpid(), "VmLck");
	char *p = pattern_region();

	CHECK_ERR(mlock(p, granule()), EINVAL);
	CHECK_ERR(mlock(p, PAGE), EINVAL);
	CHECK_ERR(mlock2(p, granule(), 0), EINVAL);
	CHECK_ERR(mlock2(p, SIZE, MLOCK_ONFAULT), EINVAL);
	CHECK(status_of(getpid(), "VmLck") == locked);
	intact(p);
}

static void mlockall_skips(void)
{
	char *p = pattern_region(), *q;
	long shmem;

	/* What an object could hold is not filled by it. */
	CHECK_OK(object_add(the_fd, 16 * MIB, 16 * MIB));
	shmem = mem_kib("Shmem");
	CHECK_OK(mlockall(MCL_CURRENT | MCL_FUTURE));
	CHECK(status_of(getpid(), "VmLck") < (long)(granule() / KIB));
	CHECK(!has_flag(p, " lo"));
	q = region_map(the_fd, RW);
	CHECK(!has_flag(q, " lo"));
	CHECK(status_of(getpid(), "VmLck") < (long)(granule() / KIB));
	CHECK_MSG(mem_kib("Shmem") - shmem < (long)(8 * KIB), "Shmem grew by %ld KiB",
		  mem_kib("Shmem") - shmem);
	check_pattern(q, SIZE, SEED);
	CHECK_OK(munlockall());
	CHECK_OK(object_del(the_fd, 16 * MIB, 16 * MIB));
	CHECK_OK(munmap(q, granule()));
	intact(p);
}

/* Less may be locked than the region is large: what is no lock of it works all the same. */
static void locking_little(void)
{
	const struct rlimit little = { 64 * MIB, 64 * MIB };
	const size_t much = 128 * MIB;
	char *p = pattern_region(), *q;

	CHECK_OK(setrlimit(RLIMIT_MEMLOCK, &little));
	CHECK_OK(seteuid(1000));
	CHECK_ERR(mlock(p, granule()), EINVAL);
	CHECK_OK(mlockall(MCL_CURRENT));
	CHECK_OK(mlockall(MCL_CURRENT | MCL_FUTURE));
	q = region_map(the_fd, RW);
	check_pattern(q, SIZE, SEED);
	CHECK(status_of(getpid(), "VmLck") < (long)(little.rlim_cur / KIB));
	CHECK_ERR(mmap(NULL, much, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), EAGAIN);
	CHECK_OK(munlockall());
	CHECK_OK(mmap(NULL, much, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	CHECK_ERR(mlockall(MCL_CURRENT), ENOMEM);
	CHECK_OK(seteuid(0));
	CHECK_OK(munmap(q, granule()));
	intact(p);
}

/* As of other memory that can't be locked: it needs leave to lock so much, and locks nothing. */
static void mmap_locked(void)
{
	const struct rlimit little = { 64 * MIB, 64 * MIB }, none = { 0, 0 };
	long locked = status_of(getpid(), "VmLck"), shmem;
	char *p = pattern_region(), *q;

	CHECK_OK(object_add(the_fd, SIZE, 8 * MIB - SIZE));
	shmem = mem_kib("Shmem");
	q = mmap(NULL, granule(), RW, MAP_SHARED | MAP_LOCKED, the_fd, 0);
	CHECK_OK(q);
	CHECK_MSG(mem_kib("Shmem") - shmem >= (long)((8 * MIB - SIZE) / KIB),
		  "Shmem grew by %ld KiB", mem_kib("Shmem") - shmem);
	CHECK(status_of(getpid(), "VmLck") == locked);
	CHECK(!has_flag(q, " lo"));
	check_pattern(q, SIZE, SEED);
	CHECK_OK(munmap(q, granule()));

	CHECK_OK(setrlimit(RLIMIT_MEMLOCK, &little));
	CHECK_OK(seteuid(1000));
	CHECK_ERR(mmap(NULL, granule(), RW, MAP_SHARED | MAP_LOCKED, the_fd, 0), EAGAIN);
	CHECK_OK(setrlimit(RLIMIT_MEMLOCK, &none));
	CHECK_ERR(mmap(NULL, granule(), RW, MAP_SHARED | MAP_LOCKED, the_fd, 0), EPERM);
	CHECK_OK(seteuid(0));
	intact(p);
}

static void madvise_refused(void)
{
	const int advice = *(const int *)test_arg;
	char *p = pattern_region();

	CHECK_ERR(madvise(p, granule(), advice), EINVAL);
	CHECK_ERR(madvise(p, SIZE, advice), EINVAL);
	CHECK_ERR(madvise(p + PAGE, PAGE, advice), EINVAL);
	intact(p);
}

/* Without KSM the kernel refuses it for all memory; with it, a shared mapping is passed over. */
static void madvise_merge_refused(void)
{
	char *own = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool merges;

	CHECK_OK(own);
	merges = !madvise(own, PAGE, *(const int *)test_arg);
	CHECK(merges || errno == EINVAL);
	test_note("the kernel has %s", merges ? "KSM" : "no KSM");
	madvise_refused();
}

/* Hints that change the flags of a mapping, of all of it or of a part, which would split it. */
static void madvise_flags(void)
{
	char *p = pattern_region();

	CHECK_ERR(madvise(p, granule(), MADV_RANDOM), EINVAL);
	CHECK_ERR(madvise(p, granule(), MADV_SEQUENTIAL), EINVAL);
	CHECK_ERR(madvise(p + PAGE, PAGE, MADV_RANDOM), EINVAL);
	CHECK_ERR(madvise(p, PAGE, MADV_SEQUENTIAL), EINVAL);
	intact(p);
}

static void madvise_dump(void)
{
	char *p = pattern_region();

	CHECK(has_flag(p, " dd"));
	CHECK_OK(madvise(p, granule(), MADV_DONTDUMP));
	CHECK_OK(madvise(p + PAGE, PAGE, MADV_DONTDUMP));
	CHECK_ERR(madvise(p, granule(), MADV_DODUMP), EINVAL);
	CHECK_ERR(madvise(p + PAGE, PAGE, MADV_DODUMP), EINVAL);
	CHECK(has_flag(p, " dd"));
	intact(p);
}

static void madvise_populate(void)
{
	long before = mem_kib("Shmem"), grown;
	int fd;
	char *p = simple_region("a", 8 * MIB, &fd);

	CHECK_OK(madvise(p, 4 * MIB, MADV_POPULATE_WRITE));
	grown = mem_kib("Shmem") - before;
	CHECK_MSG(grown >= (long)(4 * KIB), "POPULATE_WRITE: %ld KiB", grown);
	CHECK_OK(madvise(p + 4 * MIB, 4 * MIB, MADV_POPULATE_READ));
	grown = mem_kib("Shmem") - before;
	CHECK_MSG(grown >= (long)(8 * KIB), "POPULATE_READ: %ld KiB", grown);
	check_zero(p, 8 * MIB);
}

static void madvise_populate_fails(void)
{
	int fd = region_new("a", 1);
	char *p = region_map(fd, RW);

	CHECK_OK(object_create(fd, 0, SIZE, PROT_READ, ANON, -1, 0));
	CHECK(madvise(p + SIZE, SIZE, MADV_POPULATE_READ) == -1);
	CHECK(madvise(p + SIZE, SIZE, MADV_POPULATE_WRITE) == -1);
	CHECK(madvise(p, SIZE, MADV_POPULATE_WRITE) == -1);
	CHECK_OK(madvise(p, SIZE, MADV_POPULATE_READ));
	CHECK(madvise(region_map(fd, PROT_READ), SIZE, MADV_POPULATE_WRITE) == -1);
}

static void madvise_hints(void)
{
	char *p = pattern_region();

	CHECK_OK(madvise(p, SIZE, MADV_COLD));
	CHECK_OK(madvise(p + PAGE, PAGE, MADV_COLD));
	CHECK_OK(madvise(p, SIZE, MADV_WILLNEED));
	CHECK_OK(madvise(p + PAGE, PAGE, MADV_WILLNEED));
	CHECK_OK(madvise(p, SIZE, MADV_PAGEOUT));
	intact(p);
}

/* What was in use is not any longer, for reclaim: neither in the page tables nor by its list. */
static void madvise_cold(void)
{
	const u64 pages = 1024, size = pages * PAGE, part = size / 2;
	int fd, memory;
	long referenced;
	u64 moved;
	char *p;

	run_on_cpu(0);	/* pages on their way to a list wait at a CPU */
	memory = pattern_file(memfd, pages);
	p = file_region(memory, pages, &fd);
	/* The second read(2) makes pages active. */
	file_check(memory, 0, size, 1);
	file_check(memory, 0, size, 1);
	check_pattern(p, size, 1);
	CHECK(smaps_kib(p, granule(), "Referenced:") == (long)(size / KIB));
	moved = vm_stat("pgdeactivate");
	CHECK_OK(madvise(p, part, MADV_COLD));
	moved = vm_stat("pgdeactivate") - moved;
	referenced = smaps_kib(p, granule(), "Referenced:");
	CHECK_MSG(referenced == (long)((size - part) / KIB), "%ld KiB", referenced);
	CHECK_MSG(moved >= part / PAGE / 10 * 9 && moved < pages / 10 * 9, "%llu pages",
		  (unsigned long long)moved);
	check_pattern(p, size, 1);
}

static void need_file(const char *path)
{
	if (access(path, F_OK))
		test_skip("no %s", path);
}

static void mbind_refused(void)
{
	unsigned long nodes = 1;
	char *p = pattern_region();

	need_file("/sys/devices/system/node");
	CHECK_ERR(syscall(SYS_mbind, p, granule(), MPOL_BIND, &nodes, 8 * sizeof(nodes), 0),
		  EINVAL);
	CHECK_ERR(syscall(SYS_mbind, p, SIZE, MPOL_PREFERRED, &nodes, 8 * sizeof(nodes), 0),
		  EINVAL);
	CHECK_ERR(syscall(SYS_mbind, p, granule(), MPOL_BIND, &nodes, 8 * sizeof(nodes),
			  MPOL_MF_MOVE), EINVAL);
	/* Also the policy that it has. */
	CHECK_ERR(syscall(SYS_mbind, p, granule(), MPOL_DEFAULT, NULL, 0, 0), EINVAL);
	CHECK_ERR(syscall(SYS_mbind, p, PAGE, MPOL_DEFAULT, NULL, 0, MPOL_MF_MOVE), EINVAL);
	intact(p);
}

static void move_pages_refused(void)
{
	char *p = pattern_region();
	void *pages[2] = { p, p + PAGE };
	int nodes[2] = { 0, 0 }, status[2] = { 1, 1 };
	long ret;

	need_file("/sys/devices/system/node");
	ret = syscall(SYS_move_pages, 0, 2UL, pages, nodes, status, MPOL_MF_MOVE);
	CHECK_MSG(status[0] == -EFAULT && status[1] == -EFAULT, "returned %ld, status %d and %d",
		  ret, status[0], status[1]);
	intact(p);
}

static void userfaultfd_refused(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	char *p = pattern_region();
	int fd;

	need_file("/proc/sys/vm/unprivileged_userfaultfd");
	fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	CHECK_OK(fd);
	CHECK_OK(ioctl(fd, UFFDIO_API, &api));
	reg.range.start = (uintptr_t)p;
	reg.range.len = granule();
	CHECK_ERR(ioctl(fd, UFFDIO_REGISTER, &reg), EINVAL);
	reg.range.len = PAGE;
	CHECK_ERR(ioctl(fd, UFFDIO_REGISTER, &reg), EINVAL);
	intact(p);

	/* Where it is there, write protection is for all kinds of memory but this. */
	if (!(api.features & UFFD_FEATURE_WP_ASYNC))
		return;
	fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	CHECK_OK(fd);
	api.features = UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED;
	CHECK_OK(ioctl(fd, UFFDIO_API, &api));
	reg.mode = UFFDIO_REGISTER_MODE_WP;
	reg.range.len = granule();
	CHECK_ERR(ioctl(fd, UFFDIO_REGISTER, &reg), EINVAL);
	intact(p);
}

static void remap_file_pages_refused(void)
{
	char *p = pattern_region();

	CHECK(syscall(SYS_remap_file_pages, p, PAGE, 0, 1UL, 0) == -1);
	intact(p);
}

/* A mapping can be sealed, as a whole; what is in the region is the region's. */
static void sealed(void)
{
	char *p = pattern_region();

	CHECK_ERR(syscall(SYS_mseal, p, PAGE, 0), EINVAL);
	CHECK_OK(munmap(p, granule()));
	p = region_map(the_fd, RW);
	CHECK_OK(syscall(SYS_mseal, p, granule(), 0));
	CHECK_ERR(munmap(p, granule()), EPERM);
	CHECK_ERR(mremap(p, granule(), PAGE, 0), EPERM);
	intact(p);
	CHECK_OK(object_add(the_fd, 0, SIZE));
	check_zero(p, SIZE);
	CHECK_OK(object_del(the_fd, 0, SIZE));
	CHECK(poke(p, 1) == SIGSEGV);
}

#define ADVICE(name)	static const int advice_##name = MADV_##name
ADVICE(DONTNEED);
ADVICE(DONTNEED_LOCKED);
ADVICE(REMOVE);
ADVICE(FREE);
ADVICE(NORMAL);
ADVICE(DONTFORK);
ADVICE(DOFORK);
ADVICE(WIPEONFORK);
ADVICE(KEEPONFORK);
ADVICE(MERGEABLE);
ADVICE(UNMERGEABLE);
ADVICE(HUGEPAGE);
ADVICE(NOHUGEPAGE);
ADVICE(COLLAPSE);

static const struct test_case cases[] = {
	{ "mmap before the size is set: EINVAL", mmap_before_size },
	{ "mmap MAP_PRIVATE: EINVAL", mmap_private },
	{ "mmap of another length: EINVAL", mmap_other_length },
	{ "mmap of a length that rounds up to the region's", mmap_length_rounds_up },
	{ "mmap at an offset: EINVAL", mmap_pgoff },
	{ "mmap at a fixed address off the granularity: EINVAL", mmap_fixed_off_granule },
	{ "a refused fixed mmap leaves the old mapping", mmap_refused_keeps_old },
	{ "mmap with a hint maps on the granularity", mmap_hint },
	{ "mmap of a region over another one", mmap_over_region },
	{ "mmap of something else over a part of a region: EINVAL", mmap_private_over_part },
	{ "mmap against the descriptor's rights: EACCES", mmap_descriptor_rights },
	{ "mmap PROT_EXEC: EPERM", mmap_exec },
	{ "mmap MAP_POPULATE", mmap_populate },
	{ "munmap off the granularity: EINVAL", munmap_off_granule },
	{ "munmap of some granules", munmap_granules },
	{ "mprotect: EINVAL", mprotect_refused },
	{ "mprotect to what the descriptor forbids: EACCES", mprotect_read_only_fd },
	{ "mremap that grows: EINVAL", mremap_grow },
	{ "mremap that moves: EINVAL", mremap_move },
	{ "mremap that duplicates: EINVAL", mremap_duplicate },
	{ "mremap to the same size returns the address", mremap_same_size },
	{ "mremap that shrinks is the munmap of the tail", mremap_shrink },
	{ "mlock, mlock2: EINVAL", mlock_refused },
	{ "mlockall succeeds and skips regions", mlockall_skips },
	{ "mlock, mlockall of a user who may lock little", locking_little },
	{ "mmap MAP_LOCKED locks nothing", mmap_locked },
	{ "madvise DONTNEED: EINVAL", madvise_refused, &advice_DONTNEED },
	{ "madvise DONTNEED_LOCKED: EINVAL", madvise_refused, &advice_DONTNEED_LOCKED },
	{ "madvise REMOVE: EINVAL", madvise_refused, &advice_REMOVE },
	{ "madvise FREE: EINVAL", madvise_refused, &advice_FREE },
	{ "madvise NORMAL: EINVAL", madvise_refused, &advice_NORMAL },
	{ "madvise DONTFORK: EINVAL", madvise_refused, &advice_DONTFORK },
	{ "madvise DOFORK: EINVAL", madvise_refused, &advice_DOFORK },
	{ "madvise WIPEONFORK: EINVAL", madvise_refused, &advice_WIPEONFORK },
	{ "madvise KEEPONFORK: EINVAL", madvise_refused, &advice_KEEPONFORK },
	{ "madvise MERGEABLE: EINVAL", madvise_merge_refused, &advice_MERGEABLE },
	{ "madvise UNMERGEABLE: EINVAL", madvise_merge_refused, &advice_UNMERGEABLE },
	{ "madvise HUGEPAGE: EINVAL", madvise_refused, &advice_HUGEPAGE },
	{ "madvise NOHUGEPAGE: EINVAL", madvise_refused, &advice_NOHUGEPAGE },
	{ "madvise COLLAPSE: EINVAL", madvise_refused, &advice_COLLAPSE },
	{ "madvise RANDOM, SEQUENTIAL: EINVAL", madvise_flags },
	{ "madvise DONTDUMP succeeds, DODUMP: EINVAL", madvise_dump },
	{ "madvise POPULATE_READ, POPULATE_WRITE bring pages in", madvise_populate },
	{ "madvise POPULATE fails where an access would", madvise_populate_fails },
	{ "madvise COLD, WILLNEED, PAGEOUT keep the content", madvise_hints },
	{ "madvise COLD makes pages the first to go", madvise_cold },
	{ "mbind: EINVAL", mbind_refused },
	{ "move_pages: -EFAULT for each page", move_pages_refused },
	{ "userfaultfd: EINVAL", userfaultfd_refused },
	{ "remap_file_pages is refused", remap_file_pages_refused },
	{ "mseal of the whole mapping; of a part: EINVAL", sealed },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
