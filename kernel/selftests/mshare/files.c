// SPDX-License-Identifier: GPL-2.0
/*
 * Objects that map a file: memfd, tmpfs, and a file system on a disk. What only
 * a disk's file has is in disk.c.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "objfile.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE	0x0010
#endif

/* For each kind of file: it is test_arg */

static void content(void)
{
	int fd = pattern_file(test_arg, 16), region;
	char *p = file_region(fd, 16, &region), *plain = plain_mmap(fd, 16);

	check_pattern(p, 16 * PAGE, 1);
	fill(p, 16 * PAGE, 2);
	file_check(fd, 0, 16 * PAGE, 2);
	check_pattern(plain, 16 * PAGE, 2);
	fill(plain, 16 * PAGE, 3);
	check_pattern(p, 16 * PAGE, 3);
	file_fill(fd, 0, 16 * PAGE, 4);
	check_pattern(p, 16 * PAGE, 4);
}

/* The first touch is a store: of part of a page that is in the file, and of a hole. */
static void first_touch_stores(void)
{
	int fd = sparse_file(test_arg, 16), region;
	char *p;

	file_fill(fd, 0, PAGE, 1);
	p = file_region(fd, 16, &region);
	*(u64 *)p = 7;
	check_pattern(p + 8, PAGE - 8, 2);
	*(u64 *)(p + 5 * PAGE) = 8;
	check_zero(p + 5 * PAGE + 8, PAGE - 8);
	check_zero(p + 6 * PAGE, 10 * PAGE);
	file_check(fd, 8, PAGE - 8, 2);
	CHECK(*(u64 *)plain_mmap(fd, 16) == 7);
	CHECK(*(u64 *)(plain_mmap(fd, 16) + 5 * PAGE) == 8);
}

static void offsets(void)
{
	int fd = pattern_file(test_arg, 16), region = region_new("a", 1);
	char *p = region_map(region, RW);
	unsigned char c;

	CHECK_OK(object_map(region, 5 * PAGE, 3 * PAGE, RW, fd, 7 * PAGE));
	CHECK_OK(object_map(region, 9 * PAGE, 2 * PAGE, RW, fd, 8 * PAGE));
	check_pattern(p + 5 * PAGE, 3 * PAGE, 1 + WORDS(7));
	check_pattern(p + 9 * PAGE, 2 * PAGE, 1 + WORDS(8));
	CHECK(peek(p + 4 * PAGE, &c) == SIGSEGV && peek(p + 8 * PAGE, &c) == SIGSEGV);
	fill(p + 6 * PAGE, PAGE, 2);
	check_pattern(p + 9 * PAGE, PAGE, 2);	/* it is the same page of the file */
	file_check(fd, 0, 8 * PAGE, 1);
	file_check(fd, 8 * PAGE, PAGE, 2);
	file_check(fd, 9 * PAGE, 7 * PAGE, 1 + WORDS(9));
}

static void second_process(void *arg)
{
	char *p = region_map(region_open("a", O_RDWR), RW);
	u64 pages = (uintptr_t)arg;
	long taken = faults_of_loads(p, pages * PAGE);

	CHECK_MSG(taken <= 1, "%ld faults", taken);
	check_pattern(p, pages * PAGE, 2);
	fill(p, pages * PAGE, 3);
}

static void two_processes(void)
{
	int fd = pattern_file(test_arg, 256), region;
	char *p = file_region(fd, 256, &region);

	fill(p, 256 * PAGE, 2);
	join_ok(spawn(second_process, (void *)256));
	check_pattern(p, 256 * PAGE, 3);
	file_check(fd, 0, 256 * PAGE, 3);
}

static void read_only(void)
{
	int fd = pattern_file(test_arg, 4), ro = reopen(fd, O_RDONLY), region = region_new("a", 1);
	char *p = region_map(region, RW);

	CHECK_OK(object_map(region, 0, 4 * PAGE, PROT_READ, ro, 0));
	CHECK_OK(object_map(region, 4 * PAGE, 4 * PAGE, PROT_READ, fd, 0));
	CHECK(poke(p, 1) == SIGSEGV && poke(p + 4 * PAGE, 1) == SIGSEGV);
	check_pattern(p, 4 * PAGE, 1);
	check_pattern(p + 4 * PAGE, 4 * PAGE, 1);
	CHECK(poke(p, 1) == SIGSEGV && poke(p + 4 * PAGE, 1) == SIGSEGV);
	CHECK_ERR(pread(fd, p, 1, 0), EFAULT);
	file_check(fd, 0, 4 * PAGE, 1);
	file_fill(fd, 0, PAGE, 2);
	check_pattern(p, PAGE, 2);
}

static void no_access(void)
{
	int fd = pattern_file(test_arg, 4), region = region_new("a", 1);
	char *p = region_map(region, RW);
	unsigned char c;

	CHECK_OK(object_map(region, 0, 4 * PAGE, PROT_NONE, fd, 0));
	CHECK(peek(p, &c) == SIGSEGV && poke(p, 1) == SIGSEGV);
	CHECK_OK(object_map(region, 4 * PAGE, PAGE, PROT_NONE, reopen(fd, O_RDONLY), 0));
	CHECK(peek(p + 4 * PAGE, &c) == SIGSEGV && poke(p + 4 * PAGE, 1) == SIGSEGV);
	file_check(fd, 0, 4 * PAGE, 1);
}

static void modes_of_descriptors(void)
{
	int fd = pattern_file(test_arg, 4), region = region_new("a", 1);
	int ro = reopen(fd, O_RDONLY), wo = reopen(fd, O_WRONLY);
	struct fdinfo info;

	CHECK_ERR(object_map(region, 0, PAGE, RW, ro, 0), EACCES);
	CHECK_ERR(object_map(region, 0, PAGE, PROT_WRITE, ro, 0), EACCES);
	CHECK_ERR(object_map(region, 0, PAGE, RW, wo, 0), EACCES);
	CHECK_ERR(object_map(region, 0, PAGE, PROT_WRITE, wo, 0), EACCES);
	CHECK_ERR(object_map(region, 0, PAGE, PROT_READ, wo, 0), EACCES);
	CHECK_ERR(object_map(region, 0, PAGE, PROT_NONE, wo, 0), EACCES);
	fdinfo_read(region, &info);
	CHECK(info.objects == 0);
}

static void not_huge(void)
{
	int fd = sparse_file(test_arg, 512), region = region_new("a", 1);

	CHECK_ERR(object_create(region, 0, 2 * MIB, RW, FILE_FLAGS | MAP_HUGETLB, fd, 0), EINVAL);
	CHECK_ERR(object_create(region, 0, 2 * MIB, RW, FILE_FLAGS | 21u << 26, fd, 0), EINVAL);
}

static void bad_offsets(void)
{
	int fd = pattern_file(test_arg, 4), region = region_new("a", 1);

	CHECK_ERR(object_map(region, 0, PAGE, RW, fd, 1), EINVAL);
	CHECK_ERR(object_map(region, 0, PAGE, RW, fd, PAGE / 2), EINVAL);
	CHECK_ERR(object_map(region, 0, PAGE, RW, fd, -PAGE), EINVAL);	/* the sum overflows */
	CHECK_ERR(object_map(region, 0, 2 * PAGE, RW, fd, -PAGE), EINVAL);
	CHECK_ERR2(object_map(region, 0, 2 * PAGE, RW, fd, (1ULL << 63) - PAGE), EOVERFLOW,
		   EINVAL);
	CHECK_ERR2(object_map(region, 0, PAGE, RW, fd, 1ULL << 63), EOVERFLOW, EINVAL);
}

/* A process that has the file in its tables and TLB; what comes to it is SIGBUS, then zeros. */
static void sees_truncation(void *arg)
{
	char *p = region_map(region_open("a", O_RDWR), RW);
	unsigned char c;
	int i;

	run_on_cpu((uintptr_t)arg);
	/* The other half is stored to by all of them. */
	check_pattern(p, 8 * PAGE, 1);
	fill(p + 8 * PAGE, 8 * PAGE, 2);
	flag_raise(0);
	flag_await(1, 1);
	for (i = 8; i < 16; i++)
		CHECK(peek(p + i * PAGE, &c) == SIGBUS && poke(p + i * PAGE, 1) == SIGBUS);
	check_pattern(p, 8 * PAGE, 1);
	flag_raise(0);
	flag_await(1, 2);
	check_zero(p + 8 * PAGE, 8 * PAGE);
	flag_raise(0);
	flag_await(1, 3);
	CHECK(get(p + 15 * PAGE) == 77);
}

static void truncated(void)
{
	int fd = pattern_file(test_arg, 16), region, pipes[2];
	char *p = file_region(fd, 16, &region);
	unsigned char c;
	pid_t pids[3];
	uintptr_t i;

	CHECK_OK(pipe(pipes));
	run_on_cpu(0);
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		pids[i] = spawn(sees_truncation, (void *)i);
	flag_await(0, 3);
	check_pattern(p + 8 * PAGE, 8 * PAGE, 2);
	CHECK_OK(ftruncate(fd, 8 * PAGE));
	CHECK(peek(p + 8 * PAGE, &c) == SIGBUS && poke(p + 15 * PAGE, 1) == SIGBUS);
	CHECK_ERR(write(pipes[1], p + 8 * PAGE, 1), EFAULT);
	flag_raise(1);
	flag_await(0, 6);
	CHECK_OK(ftruncate(fd, 16 * PAGE));
	flag_raise(1);
	flag_await(0, 9);
	put(p + 15 * PAGE, 77);
	flag_raise(1);
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		join_ok(pids[i]);
	CHECK(pread(fd, &c, 1, 15 * PAGE) == 1 && c == 77);
}

/* An object may reach past the end of its file, which may end within a page. */
static void past_the_end(void)
{
	int fd = pattern_file(test_arg, 2), region;
	char *p = file_region(fd, 4, &region);
	unsigned char c;

	CHECK(peek(p + 2 * PAGE, &c) == SIGBUS && poke(p + 3 * PAGE, 1) == SIGBUS);
	check_pattern(p, 2 * PAGE, 1);
	CHECK_OK(ftruncate(fd, PAGE + 64));
	check_pattern(p, PAGE + 64, 1);
	check_zero(p + PAGE + 64, PAGE - 64);
	CHECK(peek(p + 2 * PAGE, &c) == SIGBUS);
	CHECK_OK(ftruncate(fd, 3 * PAGE));
	check_zero(p + 2 * PAGE, PAGE);
	put(p + 2 * PAGE, 1);
	CHECK(peek(p + 3 * PAGE, &c) == SIGBUS);
}

static void sees_hole(void *arg)
{
	char *p = region_map(region_open("a", O_RDWR), RW);

	run_on_cpu((uintptr_t)arg);
	check_pattern(p, 16 * PAGE, 2);
	flag_raise(0);
	flag_await(1, 1);
	check_zero(p + 4 * PAGE, 4 * PAGE);
	check_pattern(p, 4 * PAGE, 2);
	check_pattern(p + 8 * PAGE, 8 * PAGE, 2 + WORDS(8));
}

static void hole_punched(void)
{
	int fd = pattern_file(test_arg, 16), region;
	char *p = file_region(fd, 16, &region);
	pid_t pids[2];
	uintptr_t i;

	fill(p, 16 * PAGE, 2);
	run_on_cpu(0);
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		pids[i] = spawn(sees_hole, (void *)i);
	flag_await(0, 2);
	CHECK_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4 * PAGE, 4 * PAGE));
	check_zero(p + 4 * PAGE, 4 * PAGE);
	flag_raise(1);
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		join_ok(pids[i]);
	check_pattern(p, 4 * PAGE, 2);
	fill(p + 4 * PAGE, 4 * PAGE, 3);
	file_check(fd, 4 * PAGE, 4 * PAGE, 3);
}

static void create_and_leave(void *arg)
{
	int region, fd = pattern_file(arg, 16);
	char *p = file_region(fd, 16, &region);

	fill(p, PAGE, 2);
	if (path_of(arg))
		CHECK_OK(unlink(path_of(arg)));
}

/* No descriptor, no name, no process: the object holds the file. */
static void kept_by_the_object(void)
{
	int region;
	char *p;

	path_of(test_arg);	/* or skip */
	join_ok(spawn(create_and_leave, (void *)test_arg));
	region = region_open("a", O_RDWR);
	p = region_map(region, RW);
	check_pattern(p + PAGE, 15 * PAGE, 1 + WORDS(1));
	check_pattern(p, PAGE, 2);
	fill(p, 16 * PAGE, 3);
	check_pattern(region_map(region, PROT_READ), 16 * PAGE, 3);
}

static void closed(void)
{
	int fd = pattern_file(test_arg, 16), region;
	char *p = file_region(fd, 16, &region);

	CHECK_OK(close(fd));
	check_pattern(p, 16 * PAGE, 1);
	fill(p, 16 * PAGE, 2);
	if (!path_of(test_arg))
		return;
	fd = open(path_of(test_arg), O_RDONLY);
	CHECK_OK(fd);
	file_check(fd, 0, 16 * PAGE, 2);
}

static void in_fdinfo(void)
{
	int fd = pattern_file(test_arg, 16), region;
	const char *path = path_of(test_arg);
	char deleted[300];
	struct fdinfo info;

	file_region(fd, 16, &region);
	CHECK_OK(object_map(region, MIB, PAGE, PROT_READ, reopen(fd, O_RDONLY), 0));
	CHECK_OK(object_map(region, 2 * MIB, PAGE, PROT_NONE, fd, PAGE));
	CHECK_OK(object_add(region, 3 * MIB, MIB));
	fdinfo_read(region, &info);
	CHECK(info.objects == 4);
	snprintf(deleted, sizeof(deleted), "%s (deleted)", path ?: "/memfd:mshare-file");
	fdinfo_check_kind(&info, 0, 0, 16 * PAGE, "rw", "file", path ?: deleted);
	fdinfo_check_kind(&info, 1, MIB, PAGE, "r-", "file", path ?: deleted);
	fdinfo_check_kind(&info, 2, 2 * MIB, PAGE, "--", "file", path ?: deleted);
	fdinfo_check(&info, 3, 3 * MIB, MIB, "rw");
	if (path)
		CHECK_OK(unlink(path));
	CHECK_OK(object_del(region, PAGE, PAGE));
	fdinfo_read(region, &info);
	CHECK(info.objects == 5);
	fdinfo_check_kind(&info, 0, 0, PAGE, "rw", "file", deleted);
	fdinfo_check_kind(&info, 1, 2 * PAGE, 14 * PAGE, "rw", "file", deleted);
}

/* A line is a line, whatever the file's name. */
static void strange_name(void)
{
	static const char name[] = "/tmp/mshare a\nb - x";
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600), region;
	struct fdinfo info;

	CHECK_OK(fd);
	CHECK_OK(ftruncate(fd, PAGE));
	put(file_region(fd, 1, &region), 1);
	fdinfo_read(region, &info);
	CHECK_OK(unlink(name));
	CHECK(info.objects == 1);
	fdinfo_check_kind(&info, 0, 0, PAGE, "rw", "file", "/tmp/mshare a\\012b - x");
}

/* Parts go and come back from elsewhere; the file has all of it all the time. */
static void unmapped_and_replaced(void)
{
	int fd = pattern_file(test_arg, 16), region;
	char *p = file_region(fd, 16, &region);
	unsigned char c;

	fill(p + 4 * PAGE, PAGE, 2);
	CHECK_OK(object_del(region, 4 * PAGE, 4 * PAGE));
	CHECK(peek(p + 4 * PAGE, &c) == SIGSEGV && poke(p + 7 * PAGE, 1) == SIGSEGV);
	file_check(fd, 4 * PAGE, PAGE, 2);
	check_pattern(p + 8 * PAGE, 8 * PAGE, 1 + WORDS(8));
	CHECK_OK(object_map(region, 6 * PAGE, 2 * PAGE, RW, fd, 0));
	check_pattern(p + 6 * PAGE, 2 * PAGE, 1);
	CHECK_ERR(object_create(region, 7 * PAGE, 4 * PAGE, RW, MAP_SHARED | MAP_FIXED_NOREPLACE,
				fd, 0), EEXIST);
	check_pattern(p + 8 * PAGE, 8 * PAGE, 1 + WORDS(8));
	CHECK_OK(object_create(region, 4 * PAGE, 2 * PAGE, RW, MAP_SHARED | MAP_FIXED_NOREPLACE,
			       fd, 14 * PAGE));
	check_pattern(p + 4 * PAGE, 2 * PAGE, 1 + WORDS(14));
	CHECK_OK(object_add(region, 0, 4 * PAGE));
	check_zero(p, 4 * PAGE);
	fill(p, 4 * PAGE, 3);
	file_check(fd, 0, 4 * PAGE, 1);
	CHECK_OK(object_map(region, PAGE, 2 * PAGE, RW, fd, 0));
	check_pattern(p + PAGE, 2 * PAGE, 1);
	check_pattern(p, PAGE, 3);
	check_pattern(p + 3 * PAGE, PAGE, 3 + WORDS(3));
}

/* The kernel reads the file into, and writes it from, the very pages that map it. */
static void into_itself(void)
{
	int fd = pattern_file(test_arg, 16), region;
	char *p = file_region(fd, 16, &region), *q;

	CHECK(pread(fd, p, PAGE, 0) == PAGE);
	CHECK(pwrite(fd, p + PAGE, PAGE, PAGE) == PAGE);
	CHECK(pread(fd, p + 2 * PAGE + 8, PAGE, 4 * PAGE) == PAGE);
	check_pattern(p + 2 * PAGE + 8, PAGE, 1 + WORDS(4));
	CHECK_OK(object_map(region, MIB, 16 * PAGE, RW, fd, 0));
	q = p + MIB;
	CHECK(pwrite(fd, q + 5 * PAGE, 4 * PAGE, 5 * PAGE) == 4 * PAGE);
	check_pattern(p, 2 * PAGE, 1);
	check_pattern(p + 4 * PAGE, 12 * PAGE, 1 + WORDS(4));
}

static void pinned(void)
{
	int fd = pattern_file(test_arg, 16), region, ring = ring_new();
	char *p = file_region(fd, 16, &region);
	bool allowed = test_arg != disk;
	int i;

	CHECK_OK(object_add(region, 16 * PAGE, 16 * PAGE));
	CHECK_OK(ring_pin(ring, p + 16 * PAGE, 16 * PAGE));
	ring_unpin(ring);
	/* Before the first touch, when the pages are readable, when they are writable. */
	for (i = 0; i < 3; i++) {
		if (allowed) {
			CHECK_OK(ring_pin(ring, p, 16 * PAGE));
			ring_unpin(ring);
			CHECK_OK(ring_pin(ring, p + 8 * PAGE, 16 * PAGE));
			ring_unpin(ring);
		} else {
			CHECK_ERR(ring_pin(ring, p, 16 * PAGE), EFAULT);
			CHECK_ERR(ring_pin(ring, p + 15 * PAGE, PAGE), EFAULT);
			CHECK_ERR(ring_pin(ring, p + 8 * PAGE, 16 * PAGE), EFAULT);
		}
		if (i == 0)
			check_pattern(p, 16 * PAGE, 1);
		else
			fill(p, 16 * PAGE, 2);
	}
	/* A refused pin holds nothing. */
	CHECK_OK(ftruncate(fd, 0));
	CHECK_OK(ftruncate(fd, 16 * PAGE));
	check_zero(p, 16 * PAGE);
}

static void paged_out(void)
{
	int fd = pattern_file(test_arg, 256), region;
	char *p = file_region(fd, 256, &region);

	fill(p, 256 * PAGE, 2);
	CHECK_OK(madvise(p, 256 * PAGE, MADV_PAGEOUT));
	check_pattern(p, 256 * PAGE, 2);
	fill(p, 128 * PAGE, 3);
	CHECK_OK(fsync(fd));
	CHECK_OK(madvise(p, 256 * PAGE, MADV_PAGEOUT));
	check_pattern(p, 128 * PAGE, 3);
	check_pattern(p + 128 * PAGE, 128 * PAGE, 2 + WORDS(128));
	file_check(fd, 0, 128 * PAGE, 3);
}

/* Seals of a memfd */

static void seal_write(void)
{
	int fd = pattern_file(memfd, 4), region = region_new("a", 1);
	char *p = region_map(region, RW);

	CHECK_OK(fcntl(fd, F_ADD_SEALS, *(const int *)test_arg));
	CHECK_ERR(object_map(region, 0, 4 * PAGE, RW, fd, 0), EPERM);
	CHECK_ERR(object_map(region, 0, 4 * PAGE, PROT_WRITE, fd, 0), EPERM);
	CHECK_OK(object_map(region, 0, 4 * PAGE, PROT_READ, fd, 0));
	check_pattern(p, 4 * PAGE, 1);
	CHECK(poke(p, 1) == SIGSEGV);
	CHECK_OK(object_map(region, 4 * PAGE, PAGE, PROT_READ, reopen(fd, O_RDONLY), 0));
	check_pattern(p + 4 * PAGE, PAGE, 1);
	CHECK(poke(p + 4 * PAGE, 1) == SIGSEGV);
}

static void seal_write_of_writable(void)
{
	int fd = pattern_file(memfd, 4), region;
	char *p = file_region(fd, 4, &region);

	CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	put(p, 1);
	CHECK_OK(object_del(region, PAGE, PAGE));
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	CHECK_ERR(object_map(region, 0, PAGE, RW | PROT_EXEC, fd, 0), EINVAL);
	CHECK_OK(object_del(region, 0, 4 * PAGE));
	CHECK_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	CHECK_ERR(object_map(region, 0, 4 * PAGE, RW, fd, 0), EPERM);
	CHECK_ERR(object_map(region, 0, 4 * PAGE, RW, fd, 0), EPERM);
}

static void seal_future_write_of_writable(void)
{
	int fd = pattern_file(memfd, 4), region;
	char *p = file_region(fd, 4, &region);

	CHECK_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	fill(p, 4 * PAGE, 2);
	file_check(fd, 0, 4 * PAGE, 2);
	CHECK_ERR(object_map(region, 0, 4 * PAGE, RW, fd, 0), EPERM);
	check_pattern(p, 4 * PAGE, 2);
	CHECK_OK(object_map(region, 4 * PAGE, 4 * PAGE, PROT_READ, fd, 0));
	check_pattern(p + 4 * PAGE, 4 * PAGE, 2);
}

/* Objects side by side, limits, the file system's life */

static void side_by_side(void)
{
	int region = region_new("a", 1), mem = pattern_file(memfd, 8), on_tmp, on_disk;
	char *p = region_map(region, RW);
	struct fdinfo info;
	unsigned char c;

	on_tmp = pattern_file(tmpfs, 8);
	on_disk = getenv("MSHARE_DISK") ? pattern_file(disk, 8) : pattern_file(memfd, 8);
	CHECK_OK(object_map(region, 0, 8 * PAGE, RW, mem, 0));
	CHECK_OK(object_add(region, 8 * PAGE, 8 * PAGE));
	CHECK_OK(object_map(region, 16 * PAGE, 8 * PAGE, RW, on_disk, 0));
	CHECK_OK(object_map(region, 24 * PAGE, 8 * PAGE, RW, on_tmp, 0));
	fdinfo_read(region, &info);
	CHECK(info.objects == 4);
	fill(p, 32 * PAGE, 5);		/* over all borders */
	file_check(mem, 0, 8 * PAGE, 5);
	check_pattern(p + 8 * PAGE, 8 * PAGE, 5 + WORDS(8));
	file_check(on_disk, 0, 8 * PAGE, 5 + WORDS(16));
	file_check(on_tmp, 0, 8 * PAGE, 5 + WORDS(24));

	/* From the middle of the first to the middle of the last. */
	CHECK_OK(object_del(region, 4 * PAGE, 24 * PAGE));
	CHECK(peek(p + 4 * PAGE, &c) == SIGSEGV && peek(p + 28 * PAGE - 1, &c) == SIGSEGV);
	check_pattern(p, 4 * PAGE, 5);
	check_pattern(p + 28 * PAGE, 4 * PAGE, 5 + WORDS(28));
	file_check(on_disk, 0, 8 * PAGE, 5 + WORDS(16));
	fdinfo_read(region, &info);
	CHECK(info.objects == 2);

	/* All of it becomes the disk's file, and then anonymous. */
	CHECK_OK(object_map(region, 0, 8 * PAGE, RW, on_disk, 0));
	check_pattern(p, 8 * PAGE, 5 + WORDS(16));
	CHECK_OK(object_add(region, 0, 32 * PAGE));
	check_zero(p, 32 * PAGE);
	fdinfo_read(region, &info);
	CHECK(info.objects == 1);
	fdinfo_check(&info, 0, 0, 32 * PAGE, "rw");
	file_check(mem, 0, 8 * PAGE, 5);
}

/* 64 granules with a page at each end and some in the middle; other places stay empty. */
static void far_ends(void)
{
	u64 g = granule(), at[] = { 0, 31 * g + 5 * PAGE, 32 * g - PAGE, 32 * g, 64 * g - PAGE };
	int region = region_new("a", 64), fd = pattern_file(memfd, 4);
	char *p = region_map(region, RW);
	struct fdinfo info;
	unsigned char c;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(at); i++) {
		if (i % 2)
			CHECK_OK(object_map(region, at[i], PAGE, RW, fd, 2 * PAGE));
		else
			CHECK_OK(object_add(region, at[i], PAGE));
	}
	CHECK_ERR(object_map(region, 64 * g, PAGE, RW, fd, 0), EINVAL);
	CHECK_ERR(object_map(region, 64 * g - PAGE, 2 * PAGE, RW, fd, 0), EINVAL);
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		if (i % 2)
			check_pattern(p + at[i], PAGE, 1 + WORDS(2));
		else
			check_zero(p + at[i], PAGE);
	}
	put(p + at[1], 200);
	CHECK(get(p + at[3]) == 200);
	put(p + at[4] + PAGE - 1, 201);
	CHECK(get(region_map(region, PROT_READ) + at[4] + PAGE - 1) == 201);
	CHECK(peek(p + at[0] + PAGE, &c) == SIGSEGV && peek(p + at[4] - 1, &c) == SIGSEGV);
	CHECK(peek(p + at[1] - 1, &c) == SIGSEGV && peek(p + at[3] + PAGE, &c) == SIGSEGV);
	CHECK(peek(p + 17 * g, &c) == SIGSEGV && peek(p + 50 * g + 3, &c) == SIGSEGV);
	fdinfo_read(region, &info);
	CHECK(info.objects == (int)ARRAY_SIZE(at));
	fdinfo_check(&info, 0, at[0], PAGE, "rw");
	fdinfo_check(&info, 4, at[4], PAGE, "rw");
	CHECK_OK(object_del(region, 0, 64 * g));
	fdinfo_read(region, &info);
	CHECK(info.objects == 0);
	CHECK(peek(p, &c) == SIGSEGV && peek(p + at[4], &c) == SIGSEGV);
}

static void size_limit(void)
{
	int fd = pattern_file(memfd, 1024), region = region_new("a", 1);
	char *p = region_map(region, RW);

	CHECK_OK(object_add(region, 0, 2 * MIB));
	fill(p, 2 * MIB, 1);
	CHECK_OK(object_map(region, 4 * MIB, 4 * MIB, RW, fd, 0));
	CHECK_ERR(object_map(region, 16 * MIB, 2 * MIB + PAGE, RW, fd, 0), ENOSPC);
	CHECK_OK(object_map(region, 16 * MIB, 2 * MIB, RW, fd, 0));
	CHECK_ERR(object_map(region, 32 * MIB, PAGE, PROT_READ, fd, 0), ENOSPC);
	/* In place of what counts already, but no page more. */
	CHECK_ERR(object_map(region, MIB, MIB + PAGE, RW, fd, 0), ENOSPC);
	check_pattern(p, 2 * MIB, 1);
	CHECK_OK(object_map(region, MIB, MIB, RW, fd, 0));
	check_pattern(p, MIB, 1);
	CHECK_OK(object_del(region, 4 * MIB, PAGE));
	CHECK_OK(object_map(region, 32 * MIB, PAGE, RW, fd, 0));
	CHECK_ERR(object_add(region, 33 * MIB, PAGE), ENOSPC);
}

#define SMALL_MOUNT	"/tmp/mshare-small"

/* A tmpfs of its own; a file in it. */
static int file_in_small_mount(const char *options, u64 pages)
{
	int fd;

	CHECK(!mkdir(SMALL_MOUNT, 0700) || errno == EEXIST);
	CHECK_OK(mount("tmpfs", SMALL_MOUNT, "tmpfs", 0, options));
	fd = open(SMALL_MOUNT "/file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK_OK(fd);
	CHECK_OK(ftruncate(fd, pages * PAGE));
	return fd;
}

/* What holds a mount may go a moment after the call that drops it. */
static void umount_soon(void)
{
	int tries;

	for (tries = 0; tries < 200; tries++) {
		if (!umount(SMALL_MOUNT))
			return;
		CHECK(errno == EBUSY);
		usleep(10000);
	}
	test_fail(__FILE__, __LINE__, "%s stays busy", SMALL_MOUNT);
}

static void keeps_its_mount(void)
{
	int fd = file_in_small_mount(NULL, 4), region;
	char *p = file_region(fd, 4, &region);

	fill(p, 4 * PAGE, 1);
	CHECK_OK(close(fd));
	CHECK_ERR(umount(SMALL_MOUNT), EBUSY);
	CHECK_OK(object_del(region, PAGE, 2 * PAGE));
	CHECK_ERR(umount(SMALL_MOUNT), EBUSY);
	CHECK_OK(object_del(region, 0, PAGE));
	CHECK_OK(object_add(region, 3 * PAGE, PAGE));
	umount_soon();
}

static void region_keeps_its_mount(void)
{
	int fd = file_in_small_mount(NULL, 4), region;
	char *p = file_region(fd, 4, &region);

	put(p, 1);
	CHECK_OK(close(fd));
	CHECK_OK(munmap(p, granule()));
	CHECK_OK(close(region));
	CHECK_ERR(umount(SMALL_MOUNT), EBUSY);	/* the region's name holds it */
	CHECK_OK(unlink(in_mnt("a")));
	umount_soon();
}

static void no_space(void)
{
	int fd = file_in_small_mount("size=64k", 64), region, i, stored = 0;
	char *p = file_region(fd, 64, &region);

	for (i = 0; i < 64; i++) {
		int sig = poke(p + i * PAGE, i + 1);

		CHECK(sig == 0 || sig == SIGBUS);
		stored += !sig;
	}
	CHECK_MSG(stored == 16, "%d pages", stored);
	CHECK_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
	put(p + 63 * PAGE, 1);
	CHECK(get(p + 15 * PAGE) == 16);
	CHECK_OK(object_del(region, 0, 64 * PAGE));
	CHECK_OK(close(fd));
	umount_soon();
}

/* Folios of 2 MiB, mapped by entries of the shared PMD page, that are split and cut. */
static void huge_folios(void)
{
	int fd, region;
	char *p;

	if (access("/sys/kernel/mm/transparent_hugepage", F_OK))
		test_skip("no transparent huge pages");
	fd = file_in_small_mount("huge=always", 1024);
	p = file_region(fd, 1024, &region);
	fill(p, 1024 * PAGE, 1);
	test_note("ShmemPmdMapped is %ld KiB", mem_kib("ShmemPmdMapped"));
	file_check(fd, 0, 1024 * PAGE, 1);
	CHECK_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3 * PAGE, PAGE));
	check_pattern(p, 3 * PAGE, 1);
	check_zero(p + 3 * PAGE, PAGE);
	check_pattern(p + 4 * PAGE, 1020 * PAGE, 1 + WORDS(4));
	CHECK_OK(object_del(region, 700 * PAGE, PAGE));
	check_pattern(p + 699 * PAGE, PAGE, 1 + WORDS(699));
	check_pattern(p + 701 * PAGE, 323 * PAGE, 1 + WORDS(701));
	file_check(fd, 700 * PAGE, PAGE, 1 + WORDS(700));
	CHECK_OK(ftruncate(fd, 800 * PAGE));
	CHECK(poke(p + 800 * PAGE, 1) == SIGBUS);
	check_pattern(p + 701 * PAGE, 99 * PAGE, 1 + WORDS(701));
	CHECK_OK(object_map(region, 512 * PAGE, PAGE, RW, fd, 3 * PAGE));
	check_zero(p + 512 * PAGE, PAGE);
	check_pattern(p + 513 * PAGE, 187 * PAGE, 1 + WORDS(513));
	CHECK_OK(object_del(region, 0, granule()));
	CHECK_OK(close(fd));
	umount_soon();
}

static const int write_seal = F_SEAL_WRITE, future_write_seal = F_SEAL_FUTURE_WRITE;

static const struct test_case cases_of_kind[] = {
	{ "one content by region, read, write and mmap", content },
	{ "a first touch that stores keeps the rest of the page", first_touch_stores },
	{ "offsets in file and region", offsets },
	{ "two processes share pages and page tables", two_processes },
	{ "a read-only object: loads, and SIGSEGV", read_only },
	{ "an object with PROT_NONE: SIGSEGV", no_access },
	{ "a descriptor that forbids it: EACCES", modes_of_descriptors },
	{ "with MAP_HUGETLB or a page size: EINVAL", not_huge },
	{ "an offset not aligned or too large: EINVAL, EOVERFLOW", bad_offsets },
	{ "past a truncation: SIGBUS for all at once, later zeros", truncated },
	{ "past the end of the file: SIGBUS", past_the_end },
	{ "a hole punched reads zero at once", hole_punched },
	{ "closed after CREATE_MAPPING", closed },
	{ "kept by the object alone", kept_by_the_object },
	{ "fdinfo", in_fdinfo },
	{ "partly unmapped, replaced, elsewhere again", unmapped_and_replaced },
	{ "read and written by the pages that map it", into_itself },
	{ "registered io_uring buffers: EFAULT where dirty pages count", pinned },
	{ "MADV_PAGEOUT loses nothing", paged_out },
};

struct seal_race {
	int fd;
	u32 begun;
	bool sealed;
};

static void *seal_meanwhile(void *arg)
{
	struct seal_race *race = arg;

	while (!__atomic_load_n(&race->begun, __ATOMIC_ACQUIRE))
		;
	while (__atomic_load_n(&race->begun, __ATOMIC_ACQUIRE) == 1 && !race->sealed)
		race->sealed = !fcntl(race->fd, F_ADD_SEALS, F_SEAL_WRITE);
	return NULL;
}

/* Between the file's check and the object's place among its mappings nothing can be sealed. */
static void seal_race(void)
{
	const u64 size = 4 * MIB;
	int rounds = opt_quick ? 10 : 60, i, ret, fd;
	char *p = simple_region("a", size, &fd);

	for (i = 0; i < rounds; i++) {
		struct seal_race race = { .fd = memfd_create("race", MFD_ALLOW_SEALING) };
		pthread_t thread;

		CHECK_OK(race.fd);
		CHECK_OK(ftruncate(race.fd, size));
		/* What is replaced takes a while to go. */
		fill(p, size, i);
		CHECK(!pthread_create(&thread, NULL, seal_meanwhile, &race));
		__atomic_store_n(&race.begun, 1, __ATOMIC_RELEASE);
		ret = object_create(fd, 0, size, RW, MAP_SHARED | MAP_FIXED, race.fd, 0);
		__atomic_store_n(&race.begun, 2, __ATOMIC_RELEASE);
		CHECK(!pthread_join(thread, NULL));
		CHECK_MSG(ret || !race.sealed, "round %d: a sealed memfd is mapped writable", i);
		CHECK_OK(object_add(fd, 0, size));
		close(race.fd);
	}
}

static const struct test_case other_cases[] = {
	{ "a file name with a newline is one line of fdinfo", strange_name },
	{ "F_SEAL_WRITE: EPERM, and read-only works", seal_write, &write_seal },
	{ "F_SEAL_FUTURE_WRITE: EPERM, and read-only works", seal_write, &future_write_seal },
	{ "F_SEAL_WRITE while an object is writable: EBUSY", seal_write_of_writable },
	{ "F_SEAL_FUTURE_WRITE leaves a writable object", seal_future_write_of_writable },
	{ "no seal slips in while an object is made", seal_race },
	{ "objects of all kinds side by side", side_by_side },
	{ "single pages at the ends and in the middle of 64 granules", far_ends },
	{ "size= counts objects of files", size_limit, .mount_opts = "size=8m" },
	{ "umount of the file's file system: EBUSY while an object is there", keeps_its_mount },
	{ "umount of the file's file system: EBUSY while the region is there",
	  region_keeps_its_mount },
	{ "a tmpfs of huge folios, which are split and cut", huge_folios },
	{ "a store that finds no space on the file system: SIGBUS", no_space },
};

int main(int argc, char **argv)
{
	const char * const kinds[] = { memfd, tmpfs, disk };
	struct test_case cases[ARRAY_SIZE(kinds) * ARRAY_SIZE(cases_of_kind) +
			       ARRAY_SIZE(other_cases)], *next = cases;
	size_t i, k;
	int result;

	for (i = 0; i < ARRAY_SIZE(cases_of_kind); i++) {
		for (k = 0; k < ARRAY_SIZE(kinds); k++) {
			char *name;

			if (asprintf(&name, "%s: %s", kinds[k], cases_of_kind[i].name) == -1)
				return KSFT_FAIL;
			*next = cases_of_kind[i];
			next->name = name;
			next++->arg = kinds[k];
		}
	}
	memcpy(next, other_cases, sizeof(other_cases));
	result = test_main(argc, argv, cases, ARRAY_SIZE(cases));
	remove_files();
	return result;
}
