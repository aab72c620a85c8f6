// SPDX-License-Identifier: GPL-2.0
/*
 * Objects that map a file on a disk, in the directory that the environment
 * variable MSHARE_DISK names: its pages are clean or dirty, and the file system
 * must be told of every store.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "objfile.h"

#ifndef SYS_cachestat
#define SYS_cachestat	451
#endif

/* What cachestat tells. */
struct pages {
	u64 cache, dirty, writeback, evicted, recently_evicted;
};

static struct pages pages_of(int fd, u64 first, u64 count)
{
	struct {
		u64 offset, size;
	} range = { .offset = first * PAGE, .size = count * PAGE };
	struct pages pages = { 0 };
	int ret = syscall(SYS_cachestat, fd, &range, &pages, 0);

	if (ret)
		test_skip("cachestat: %s", strerror(errno));
	return pages;
}

static bool all_written(int fd, u64 first, u64 count)
{
	struct pages pages = pages_of(fd, first, count);

	return !pages.dirty && !pages.writeback;
}

static bool all_dirty(int fd, u64 first, u64 count)
{
	struct pages pages = pages_of(fd, first, count);

	return pages.dirty + pages.writeback == count;
}

static void written_by_msync(void)
{
	int fd = pattern_file(disk, 16), region;
	char *p = file_region(fd, 16, &region);

	check_pattern(p, 16 * PAGE, 1);
	CHECK(all_written(fd, 0, 16));
	fill(p, 16 * PAGE, 2);
	CHECK(all_dirty(fd, 0, 16));
	CHECK_OK(msync(p, granule(), MS_ASYNC));
	CHECK_OK(msync(p + 4 * PAGE, 4 * PAGE, MS_SYNC));
	CHECK(all_written(fd, 4, 4));
	CHECK(all_dirty(fd, 0, 4) && all_dirty(fd, 8, 8));
	CHECK_OK(msync(p, granule(), MS_SYNC));
	CHECK(all_written(fd, 0, 16));
	put(p + PAGE, 3);
	CHECK(all_dirty(fd, 1, 1) && all_written(fd, 2, 14));
	CHECK_OK(msync(p, 2 * PAGE, MS_SYNC));
	CHECK(all_written(fd, 0, 16));
	CHECK(get(p + PAGE) == 3);
}

/* Where an object of file page 8 is at region page 2, the region's pages count. */
static void msync_by_place_in_region(void)
{
	int fd = pattern_file(disk, 16), region = region_new("a", 2);
	char *p = region_map(region, RW);
	u64 g = granule();

	CHECK_OK(object_map(region, g + 2 * PAGE, 4 * PAGE, RW, fd, 8 * PAGE));
	fill(p + g + 2 * PAGE, 4 * PAGE, 2);
	CHECK_OK(msync(p, g, MS_SYNC));
	CHECK(all_dirty(fd, 8, 4));
	CHECK_OK(msync(p + g + 3 * PAGE, PAGE, MS_SYNC));
	CHECK(all_written(fd, 9, 1) && all_dirty(fd, 8, 1) && all_dirty(fd, 10, 2));
	CHECK_OK(msync(p + g, 16 * PAGE, MS_SYNC));
	CHECK(all_written(fd, 0, 16));
}

static void written_by_fsync(void)
{
	int fd = pattern_file(disk, 16), region, ro;
	char *p = file_region(fd, 16, &region);
	int (*write_back)(int fd) = test_arg;

	CHECK_OK(object_map(region, MIB, 2 * PAGE, PROT_READ, fd, 0));
	CHECK_OK(object_add(region, 2 * MIB, PAGE));
	fill(p, 16 * PAGE, 2);
	CHECK(all_dirty(fd, 0, 16));
	CHECK_OK(write_back(region));
	CHECK(all_written(fd, 0, 16));
	put(p, 1);
	CHECK(all_dirty(fd, 0, 1));
	ro = region_open("a", O_RDONLY);
	CHECK_OK(write_back(ro));
	CHECK(all_written(fd, 0, 16));
	CHECK_OK(write_back(region_new("b", 1)));
}

static void store_by_other(void *arg)
{
	char *p = region_map(region_open("a", O_RDWR), RW);

	run_on_cpu(1);
	put(p, 1);		/* its TLB has the page as writable */
	flag_raise(0);
	flag_await(1, 1);
	CHECK(get(p) == 1);
	CHECK(all_written((uintptr_t)arg, 0, 16));
	put(p, 2);
	CHECK(all_dirty((uintptr_t)arg, 0, 1));
}

static int sync_range(int fd)
{
	return sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
			       SYNC_FILE_RANGE_WAIT_AFTER);
}

/* The pages are written back by others; whoever stores next is noticed. */
static void noticed_after_writeback(void)
{
	int fd = pattern_file(disk, 16), region;
	char *p = file_region(fd, 16, &region);
	int (*write_back)(int fd) = test_arg;
	pid_t pid;
	int i;

	run_on_cpu(0);
	for (i = 0; i < 4; i++) {
		fill(p, 16 * PAGE, i + 2);
		CHECK(all_dirty(fd, 0, 16));
		CHECK_OK(write_back(fd));
		CHECK(all_written(fd, 0, 16));
	}
	pid = spawn(store_by_other, (void *)(uintptr_t)fd);
	flag_await(0, 1);
	CHECK_OK(write_back(fd));
	flag_raise(1);
	join_ok(pid);
	CHECK(get(p) == 2);
	CHECK_OK(write_back(fd));
}

static void time_of_store(void)
{
	static const struct timespec old[] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	int fd = pattern_file(disk, 16), region;
	char *p = file_region(fd, 16, &region);
	struct stat st;

	check_pattern(p, 16 * PAGE, 1);
	CHECK_OK(futimens(fd, old));
	check_pattern(p, 16 * PAGE, 1);
	CHECK_OK(msync(p, granule(), MS_SYNC));
	CHECK_OK(fstat(fd, &st));
	CHECK(st.st_mtim.tv_sec == 1000);
	put(p, 1);
	CHECK_OK(fstat(fd, &st));
	CHECK_MSG(st.st_mtim.tv_sec > 1000, "mtime is %ld", (long)st.st_mtim.tv_sec);
	CHECK_OK(fsync(fd));
	CHECK_OK(futimens(fd, old));
	put(p, 2);
	CHECK_OK(fstat(fd, &st));
	CHECK_MSG(st.st_mtim.tv_sec > 1000, "after fsync, mtime is %ld", (long)st.st_mtim.tv_sec);
}

/* Dirty pages of an object that is taken out are not forgotten. */
static void dirty_after_unmap(void)
{
	int fd = pattern_file(disk, 16), region;
	char *p = file_region(fd, 16, &region);

	fill(p, 16 * PAGE, 2);
	CHECK_OK(object_del(region, 0, 8 * PAGE));
	CHECK_OK(object_add(region, 8 * PAGE, 8 * PAGE));
	CHECK(all_dirty(fd, 0, 16));
	CHECK_OK(fsync(fd));
	CHECK(all_written(fd, 0, 16));
	CHECK_OK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	CHECK(pages_of(fd, 0, 16).cache == 0);
	file_check(fd, 0, 16 * PAGE, 2);	/* from the disk */
}

/* Nothing of the file is in memory: faults wait for the disk, without the region's lock. */
static int file_on_disk_only(u64 pages)
{
	int fd = pattern_file(disk, pages);

	CHECK_OK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	CHECK(pages_of(fd, 0, pages).cache == 0);
	return fd;
}

static void load_all(void *arg)
{
	char *p = region_map(region_open("a", O_RDONLY), PROT_READ);

	check_pattern(p, (uintptr_t)arg * PAGE, 1);
}

static void read_by_faults(void)
{
	int fd = file_on_disk_only(512), region;
	char *p = file_region(fd, 512, &region);
	pid_t pids[3];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(pids); i++)
		pids[i] = spawn(load_all, (void *)512);
	check_pattern(p, 512 * PAGE, 1);
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		join_ok(pids[i]);
}

/* The first store to a page that must be read first. */
static void store_before_read(void)
{
	int fd = file_on_disk_only(16), region;
	char *p = file_region(fd, 16, &region);

	*(u64 *)p = 1;
	*(u64 *)(p + 9 * PAGE) = 2;
	check_pattern(p + 8, PAGE - 8, 2);
	check_pattern(p + 9 * PAGE + 8, PAGE - 8, 2 + WORDS(9));
	CHECK(pages_of(fd, 0, 1).dirty == 1 && pages_of(fd, 9, 1).dirty == 1);
	CHECK(pages_of(fd, 1, 8).dirty == 0);
}

/* The kernel faults in what it reads and pins. */
static void read_by_kernel(void)
{
	int fd = file_on_disk_only(16), region, pipes[2];
	char *p = file_region(fd, 16, &region), *own = malloc(4 * PAGE);
	struct iovec ours = { .iov_base = own, .iov_len = 4 * PAGE };
	struct iovec theirs = { .iov_base = p + 8 * PAGE, .iov_len = 4 * PAGE };

	CHECK(own);
	CHECK_OK(pipe(pipes));
	CHECK(write(pipes[1], p, 4 * PAGE) == 4 * PAGE);
	CHECK(read(pipes[0], own, 4 * PAGE) == 4 * PAGE);
	check_pattern(own, 4 * PAGE, 1);
	CHECK(process_vm_readv(getpid(), &ours, 1, &theirs, 1, 0) == 4 * PAGE);
	check_pattern(own, 4 * PAGE, 1 + WORDS(8));
	free(own);
}

static void direct_io(void)
{
	int fd = pattern_file(disk, 16), direct = reopen(fd, O_RDWR | O_DIRECT), region;
	int other = pattern_file(memfd, 16);
	char *p;

	region = region_new("a", 1);
	p = region_map(region, RW);
	CHECK_OK(object_add(region, 0, 16 * PAGE));
	CHECK_OK(object_map(region, MIB, 16 * PAGE, RW, other, 0));
	CHECK(pread(direct, p, 16 * PAGE, 0) == 16 * PAGE);
	check_pattern(p, 16 * PAGE, 1);
	CHECK(pread(direct, p + MIB, 8 * PAGE, 8 * PAGE) == 8 * PAGE);
	check_pattern(p + MIB, 8 * PAGE, 1 + WORDS(8));
	file_check(other, 0, 8 * PAGE, 1 + WORDS(8));
	fill(p, 16 * PAGE, 2);
	CHECK(pwrite(direct, p, 16 * PAGE, 0) == 16 * PAGE);
	file_check(fd, 0, 16 * PAGE, 2);
	CHECK_ERR(pread(direct, p + 2 * MIB, PAGE, 0), EFAULT);
}

/* A direct write to the file below an object: the region must not show the old pages. */
static void direct_write_below(void)
{
	int fd = pattern_file(disk, 16), direct = reopen(fd, O_RDWR | O_DIRECT), region;
	char *p = file_region(fd, 16, &region), *data;

	check_pattern(p, 16 * PAGE, 1);
	fill(p, PAGE, 9);
	data = mmap(NULL, 16 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK_OK(data);
	fill(data, 16 * PAGE, 2);
	CHECK(pwrite(direct, data, 16 * PAGE, 0) == 16 * PAGE);
	check_pattern(p, 16 * PAGE, 2);
}

/* What the kernel swaps to, no process stores to. */
static void swap_file(void)
{
	int fd = pattern_file(disk, 16), region = region_new("a", 1);
	struct { u32 version, last_page, bad_pages; } head = { 1, 15, 0 };
	int writable, readable, error;

	CHECK(pwrite(fd, &head, sizeof(head), KIB) == sizeof(head));
	CHECK(pwrite(fd, "SWAPSPACE2", 10, PAGE - 10) == 10);
	CHECK_OK(fsync(fd));
	CHECK_OK(swapon(path_of(disk), 0));
	writable = object_map(region, 0, PAGE, RW, fd, 0);
	error = errno;
	readable = object_map(region, 0, PAGE, PROT_READ, fd, 0);
	/* Before anything fails: no other case could remove the file. */
	CHECK_OK(swapoff(path_of(disk)));
	errno = error;
	CHECK_ERR(writable, ETXTBSY);
	CHECK_OK(readable);
	CHECK_OK(object_map(region, 0, PAGE, RW, fd, 0));
}

/* A file that can only grow is no place to store to. */
static void append_only(void)
{
	int fd = pattern_file(disk, 4), ro = reopen(fd, O_RDONLY), region = region_new("a", 1);
	int flags, old, writable, readable, errors[2];

	CHECK_OK(ioctl(fd, FS_IOC_GETFLAGS, &old));
	flags = old | FS_APPEND_FL;
	CHECK_OK(ioctl(fd, FS_IOC_SETFLAGS, &flags));
	writable = object_map(region, 0, PAGE, RW, fd, 0);
	errors[0] = errno;
	readable = object_map(region, 0, PAGE, PROT_READ, fd, 0);
	errors[1] = errno;
	flags = object_map(region, 0, PAGE, PROT_READ, ro, 0);
	/* Before anything fails: no other case could remove the file. */
	CHECK_OK(ioctl(fd, FS_IOC_SETFLAGS, &old));
	CHECK_OK(flags);
	errno = errors[0];
	CHECK_ERR(writable, EACCES);
	errno = errors[1];
	CHECK_ERR(readable, EACCES);
}

static const struct test_case cases[] = {
	{ "msync writes back what was stored", written_by_msync },
	{ "msync goes by the place in the region", msync_by_place_in_region },
	{ "fsync of the region writes back what was stored", written_by_fsync, fsync },
	{ "fdatasync of the region writes back what was stored", written_by_fsync, fdatasync },
	{ "a store after fsync of the file is noticed", noticed_after_writeback, fsync },
	{ "a store after sync_file_range is noticed", noticed_after_writeback, sync_range },
	{ "a store changes the file's time", time_of_store },
	{ "what was stored reaches the disk after UNMAP", dirty_after_unmap },
	{ "faults read from the disk", read_by_faults },
	{ "a store to what is on the disk only keeps the rest", store_before_read },
	{ "system calls with buffers that are on the disk only", read_by_kernel },
	{ "O_DIRECT reads into the region and writes from it", direct_io },
	{ "an O_DIRECT write to the file is seen", direct_write_below },
	{ "a writable object of a swap file: ETXTBSY", swap_file },
	{ "a file that is only appended to, open for writing: EACCES", append_only },
};

int main(int argc, char **argv)
{
	int result = test_main(argc, argv, cases, ARRAY_SIZE(cases));

	remove_files();
	return result;
}
