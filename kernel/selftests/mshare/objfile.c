// SPDX-License-Identifier: GPL-2.0
/*
 * Files that the msharefs selftests map as objects; see objfile.h.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "objfile.h"

#define FILE_NAME	"mshare-file"

const char * const memfd = "memfd";
const char * const tmpfs = "tmpfs";
const char * const disk = "disk";

const char *path_of(const char *kind)
{
	static char path[256];
	const char *dir = "/tmp";

	if (kind == memfd)
		return NULL;
	if (kind == disk) {
		dir = getenv("MSHARE_DISK");
		if (!dir)
			test_skip("MSHARE_DISK names no directory on a disk");
	}
	snprintf(path, sizeof(path), "%s/" FILE_NAME, dir);
	return path;
}

int sparse_file(const char *kind, u64 pages)
{
	const char *path = path_of(kind);
	int fd;

	if (path) {
		unlink(path);
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	} else {
		fd = memfd_create(FILE_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	}
	CHECK_OK(fd);
	CHECK_OK(ftruncate(fd, pages * PAGE));
	return fd;
}

void file_fill(int fd, u64 offset, u64 size, u64 seed)
{
	char *data = malloc(size);

	CHECK(data);
	fill(data, size, seed);
	CHECK(pwrite(fd, data, size, offset) == (ssize_t)size);
	free(data);
}

void file_check(int fd, u64 offset, u64 size, u64 seed)
{
	char *data = malloc(size);

	CHECK(data);
	CHECK(pread(fd, data, size, offset) == (ssize_t)size);
	check_pattern(data, size, seed);
	free(data);
}

int pattern_file(const char *kind, u64 pages)
{
	int fd = sparse_file(kind, pages);

	file_fill(fd, 0, pages * PAGE, 1);
	CHECK_OK(fsync(fd));
	return fd;
}

int reopen(int fd, int flags)
{
	char path[64];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, flags | O_CLOEXEC);
	CHECK_OK(again);
	return again;
}

int object_map(int region, u64 at, u64 size, unsigned int prot, int fd, u64 offset)
{
	return object_create(region, at, size, prot, FILE_FLAGS, fd, offset);
}

char *file_region(int fd, u64 pages, int *region)
{
	*region = region_new("a", 1);
	CHECK_OK(object_map(*region, 0, pages * PAGE, RW, fd, 0));
	return region_map(*region, RW);
}

char *plain_mmap(int fd, u64 pages)
{
	char *p = mmap(NULL, pages * PAGE, RW, MAP_SHARED, fd, 0);

	CHECK_OK(p);
	return p;
}

void remove_files(void)
{
	const char *dir = getenv("MSHARE_DISK");
	char path[256];

	unlink("/tmp/" FILE_NAME);
	snprintf(path, sizeof(path), "%s/" FILE_NAME, dir ?: "/tmp");
	unlink(path);
}
