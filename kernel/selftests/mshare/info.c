// SPDX-License-Identifier: GPL-2.0
/*
 * mshare_info: the read-only file in the root that tells the granularity.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "region.h"

#define INFO	in_mnt("mshare_info")

static char text_before[64];

static void remember(void)
{
	file_read(INFO, text_before, sizeof(text_before));
}

/* The file is where and what it was. */
static void unchanged(void)
{
	struct stat st;
	char text[64];

	CHECK_OK(stat(INFO, &st));
	CHECK(S_ISREG(st.st_mode));
	CHECK_MSG((st.st_mode & 0222) == 0, "mode %#o", st.st_mode);
	file_read(INFO, text, sizeof(text));
	CHECK(!strcmp(text, text_before));
}

static void decimal(void)
{
	char text[64], expected[64];
	u64 value;

	file_read(INFO, text, sizeof(text));
	value = strtoull(text, NULL, 10);
	snprintf(expected, sizeof(expected), "%llu\n", (unsigned long long)value);
	CHECK_MSG(!strcmp(text, expected), "\"%s\"", text);
	CHECK_MSG(value && (value & (value - 1)) == 0, "%llu is no power of two",
		  (unsigned long long)value);
}

static void one_gib(void)
{
#ifdef __x86_64__
	CHECK_MSG(granule() == 1024 * MIB, "%llu", (unsigned long long)granule());
#else
	test_skip("the number is known for x86-64 only");
#endif
}

static void in_parts(void)
{
	int fd = region_open("mshare_info", O_RDONLY);
	char whole[64], parts[64];
	size_t n = 0;

	file_read(INFO, whole, sizeof(whole));
	while (n < sizeof(parts) - 1) {
		ssize_t got = read(fd, parts + n, 1);

		CHECK_OK(got);
		if (!got)
			break;
		n++;
	}
	parts[n] = 0;
	CHECK(!strcmp(whole, parts));
	CHECK(pread(fd, parts, sizeof(parts), 1) == (ssize_t)strlen(whole) - 1);
	CHECK(pread(fd, parts, sizeof(parts), 4096) == 0);
}

static void any_user_reads(void)
{
	CHECK_OK(setresuid(1000, 1000, 1000));
	CHECK(granule() >= PAGE);
}

static void mode_is_read_only(void)
{
	struct stat st;

	CHECK_OK(stat(INFO, &st));
	CHECK_MSG(st.st_mode == (S_IFREG | 0444), "mode %#o", st.st_mode);
}

static void not_unlinked(void)
{
	remember();
	CHECK_ERR2(unlink(INFO), EPERM, EACCES);
	unchanged();
}

static void not_renamed(void)
{
	remember();
	CHECK_ERR2(rename(INFO, in_mnt("other")), EPERM, EACCES);
	CHECK_OK(mkdir(in_mnt("dir"), 0700));
	CHECK_ERR2(rename(INFO, in_mnt("dir/mshare_info")), EPERM, EACCES);
	unchanged();
}

static void not_replaced(void)
{
	remember();
	CHECK_OK(close(region_new("a", 1)));
	CHECK_ERR2(rename(in_mnt("a"), INFO), EPERM, EACCES);
	CHECK_OK(access(in_mnt("a"), F_OK));
	unchanged();
}

static void not_exchanged(void)
{
	remember();
	CHECK_OK(close(region_new("a", 1)));
	/* A file system without RENAME_EXCHANGE says EINVAL before it looks at the names. */
	CHECK(renameat2(AT_FDCWD, in_mnt("a"), AT_FDCWD, INFO, RENAME_EXCHANGE) == -1);
	CHECK(renameat2(AT_FDCWD, INFO, AT_FDCWD, in_mnt("a"), RENAME_EXCHANGE) == -1);
	CHECK_OK(access(in_mnt("a"), F_OK));
	unchanged();
}

static void not_writable_mode(void)
{
	remember();
	CHECK_ERR2(chmod(INFO, 0644), EPERM, EACCES);
	CHECK_ERR2(chmod(INFO, 0666), EPERM, EACCES);
	CHECK_ERR2(chmod(INFO, 0222), EPERM, EACCES);
	unchanged();
}

static void not_truncated(void)
{
	int fd;

	remember();
	CHECK_ERR2(truncate(INFO, 0), EPERM, EACCES);
	CHECK_ERR2(truncate(INFO, granule()), EPERM, EACCES);
	fd = open(INFO, O_WRONLY | O_TRUNC);
	CHECK_MSG(fd == -1 && (errno == EPERM || errno == EACCES),
		  "open with O_TRUNC: %d, %s", fd, strerror(errno));
	unchanged();
}

/* Root may be let in by its capabilities, but then nothing must come of it. */
static void not_written(void)
{
	int fd;

	remember();
	fd = open(INFO, O_RDWR);
	if (fd != -1) {
		CHECK(write(fd, "1\n", 2) == -1);
		CHECK(pwrite(fd, "1\n", 2, 0) == -1);
		CHECK_ERR2(ftruncate(fd, 0), EPERM, EACCES);
		CHECK_ERR2(ftruncate(fd, granule()), EPERM, EACCES);
		CHECK(fallocate(fd, 0, 0, granule()) == -1);
	} else {
		CHECK(errno == EPERM || errno == EACCES);
	}
	unchanged();
}

static void no_region(void)
{
	int fd = region_open("mshare_info", O_RDONLY);
	int rw = open(INFO, O_RDWR);

	remember();
	CHECK(object_add(fd, 0, PAGE) == -1);
	CHECK(object_del(fd, 0, PAGE) == -1);
	CHECK(mmap(NULL, granule(), PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED);
	if (rw != -1) {
		CHECK(object_add(rw, 0, PAGE) == -1);
		CHECK(object_del(rw, 0, PAGE) == -1);
		CHECK(mmap(NULL, granule(), RW, MAP_SHARED, rw, 0) == MAP_FAILED);
	}
	unchanged();
}

static void not_created_over(void)
{
	remember();
	CHECK_ERR(open(INFO, O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	CHECK_ERR(mkdir(INFO, 0700), EEXIST);
	unchanged();
}

static const struct test_case cases[] = {
	{ "the text is a decimal number and a newline", decimal },
	{ "the granularity is 1 GiB on x86-64", one_gib },
	{ "it reads in parts, and ends", in_parts },
	{ "any user reads it", any_user_reads },
	{ "its mode is 0444", mode_is_read_only },
	{ "unlink: EPERM", not_unlinked },
	{ "rename: EPERM", not_renamed },
	{ "rename onto it: EPERM", not_replaced },
	{ "it cannot be exchanged", not_exchanged },
	{ "chmod to writable: EPERM", not_writable_mode },
	{ "truncate, open with O_TRUNC: EPERM", not_truncated },
	{ "it cannot be written", not_written },
	{ "it is no region: no ioctl, no mmap", no_region },
	{ "nothing can be created over it", not_created_over },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
