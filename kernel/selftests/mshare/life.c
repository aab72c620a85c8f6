// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a region: create, size, objects, attach, detach, unlink.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "region.h"

static void size_by_ftruncate(void)
{
	int fd = region_file("a");
	struct stat st;

	CHECK_OK(fstat(fd, &st));
	CHECK(st.st_mode == (S_IFREG | 0600));
	CHECK(st.st_size == 0);
	CHECK_OK(ftruncate(fd, granule()));
	CHECK_OK(fstat(fd, &st));
	CHECK(st.st_size == (off_t)granule());
	CHECK(lseek(fd, 0, SEEK_END) == st.st_size);
}

static void size_by_fallocate(void)
{
	int fd = region_file("a");
	struct stat st;

	CHECK_OK(fallocate(fd, 0, 0, 2 * granule()));
	CHECK_OK(stat(in_mnt("a"), &st));
	CHECK(st.st_size == 2 * (off_t)granule());
	CHECK_OK(object_add(fd, 0, PAGE));
	put(region_map(fd, RW), 1);
}

static void size_by_path(void)
{
	int fd = region_file("a");

	CHECK_OK(truncate(in_mnt("a"), granule()));
	CHECK_OK(object_add(fd, 0, PAGE));
	put(region_map(fd, RW), 1);
}

/* An unrelated process: it knows the name and nothing else. */
static void attach_by_name(void *arg)
{
	int fd = region_open("a", O_RDWR);
	struct stat st;
	char *p, *q;

	(void)arg;
	flag_await(0, 1);
	CHECK_OK(fstat(fd, &st));
	p = region_map(fd, RW);
	check_pattern(p, MIB, 1);
	put(p + MIB - 1, 99);
	q = free_range(st.st_size);
	CHECK(mmap(q, st.st_size, RW, MAP_SHARED | MAP_FIXED, fd, 0) == q);
	CHECK(get(q + MIB - 1) == 99);
	CHECK_OK(munmap(p, st.st_size));
	CHECK(get(q + MIB - 1) == 99);
}

static void whole_life(void)
{
	pid_t other;
	char *p;
	int fd;

	CHECK_OK(close(region_new("a", 1)));
	other = spawn(attach_by_name, NULL);
	fd = region_open("a", O_RDWR);
	CHECK_OK(object_add(fd, 0, MIB));
	p = region_map(fd, RW);
	CHECK_OK(close(fd));
	fill(p, MIB, 1);
	flag_raise(0);
	join_ok(other);
	CHECK(get(p + MIB - 1) == 99);
	CHECK_OK(munmap(p, granule()));
	CHECK_OK(unlink(in_mnt("a")));
	CHECK_ERR(open(in_mnt("a"), O_RDWR), ENOENT);
}

static void exclusive(void)
{
	region_new("a", 1);
	CHECK_ERR(open(in_mnt("a"), O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
}

static void permissions(void)
{
	int fd = region_new("a", 1);

	CHECK_OK(chmod(in_mnt("a"), 0640));
	CHECK_OK(fchown(fd, 1000, 1001));
	CHECK_OK(setresgid(1001, 1001, 1001));
	CHECK_OK(setresuid(1002, 1002, 1002));
	CHECK_ERR(open(in_mnt("a"), O_RDWR), EACCES);
	region_map(region_open("a", O_RDONLY), PROT_READ);
}

static void objects_begin_zeroed(void)
{
	int fd;
	char *p = simple_region("a", MIB, &fd);

	check_zero(p, MIB);
	fill(p, MIB, 1);
	CHECK_OK(object_del(fd, 0, MIB));
	CHECK_OK(object_add(fd, 0, MIB));
	check_zero(p, MIB);
}

static void object_anywhere(void)
{
	u64 g = granule();
	int fd = region_new("a", 1);
	char *p = region_map(fd, RW);

	CHECK_OK(object_add(fd, PAGE, PAGE));
	CHECK_OK(object_add(fd, 37 * PAGE, 3 * PAGE));
	CHECK_OK(object_add(fd, g / 2 - PAGE, 2 * PAGE));
	CHECK_OK(object_add(fd, g - PAGE, PAGE));
	put(p + PAGE, 1);
	put(p + 37 * PAGE, 2);
	put(p + 39 * PAGE, 3);
	put(p + g / 2 - 1, 4);
	put(p + g / 2, 5);
	put(p + g - 1, 6);
	CHECK(get(p + PAGE) == 1 && get(p + 37 * PAGE) == 2 && get(p + 39 * PAGE) == 3);
	CHECK(get(p + g / 2 - 1) == 4 && get(p + g / 2) == 5 && get(p + g - 1) == 6);
}

static void whole_region_object(void)
{
	u64 g = granule();
	int fd = region_new("a", 2);
	char *p = region_map(fd, RW);

	CHECK_OK(object_add(fd, 0, g));		/* sparse: only touched pages take memory */
	CHECK_OK(object_add(fd, g, g));
	put(p, 1);
	put(p + g - 1, 2);
	put(p + g, 3);
	put(p + 2 * g - 1, 4);
	CHECK(get(p) == 1 && get(p + g - 1) == 2 && get(p + g) == 3 && get(p + 2 * g - 1) == 4);
}

static void across_granules(void)
{
	u64 g = granule();
	int fd = region_new("a", 3);
	char *p = region_map(fd, RW), *q;

	CHECK_OK(object_add(fd, g - 4 * PAGE, 8 * PAGE));
	CHECK_OK(object_add(fd, 2 * g - PAGE, 2 * PAGE));
	fill(p + g - 4 * PAGE, 8 * PAGE, 1);
	fill(p + 2 * g - PAGE, 2 * PAGE, 2);
	q = region_map(region_open("a", O_RDONLY), PROT_READ);
	check_pattern(q + g - 4 * PAGE, 8 * PAGE, 1);
	check_pattern(q + 2 * g - PAGE, 2 * PAGE, 2);
}

static void objects_while_attached(void)
{
	int fd = region_new("a", 1);
	char *p = region_map(fd, RW), *q = region_map(fd, RW);
	int i;

	for (i = 0; i < 64; i++) {
		CHECK_OK(object_add(fd, i * 3 * MIB, PAGE));
		put(p + i * 3 * MIB, i);
		CHECK(get(q + i * 3 * MIB) == i);
	}
	for (i = 0; i < 64; i++)
		CHECK(get(q + i * 3 * MIB) == i);
}

static void many_objects(void)
{
	int fd = region_new("a", 1), i;
	char *p = region_map(fd, RW);

	for (i = 0; i < 500; i++)
		CHECK_OK(object_add(fd, i * 2 * PAGE, PAGE));
	for (i = 0; i < 500; i++)
		put(p + i * 2 * PAGE, i);
	for (i = 0; i < 500; i++)
		CHECK(get(p + i * 2 * PAGE) == (unsigned char)i);
	CHECK_OK(object_del(fd, 0, 1000 * PAGE));
}

static void two_mappings(void)
{
	int fd;
	char *p = simple_region("a", MIB, &fd), *q = region_map(fd, RW);

	CHECK(p != q);
	fill(p, MIB, 3);
	check_pattern(q, MIB, 3);
	CHECK_OK(munmap(p, granule()));
	check_pattern(q, MIB, 3);
	put(q, 1);
}

static void name_keeps_content(void)
{
	int fd;
	char *p = simple_region("a", MIB, &fd);

	fill(p, MIB, 4);
	CHECK_OK(munmap(p, granule()));
	CHECK_OK(close(fd));
	p = region_map(region_open("a", O_RDONLY), PROT_READ);
	check_pattern(p, MIB, 4);
}

static void unlinked_but_open(void)
{
	char *p, *q;
	int fd;

	p = simple_region("a", MIB, &fd);
	fill(p, MIB, 5);
	CHECK_OK(unlink(in_mnt("a")));
	CHECK_OK(munmap(p, granule()));
	q = region_map(fd, RW);
	check_pattern(q, MIB, 5);
	CHECK_OK(object_add(fd, MIB, MIB));
	CHECK_OK(close(fd));
	fill(q + MIB, MIB, 6);
	check_pattern(q, MIB, 5);
}

static void unlink_frees(void)
{
	long before = mem_kib("Shmem"), tables = mem_kib("PageTables");
	char *p;
	int fd;

	p = simple_region("a", 16 * MIB, &fd);
	fill(p, 16 * MIB, 1);
	CHECK(mem_kib("Shmem") - before >= (long)(16 * KIB));
	CHECK_OK(unlink(in_mnt("a")));
	CHECK_OK(close(fd));
	check_pattern(p, 16 * MIB, 1);
	CHECK_OK(munmap(p, granule()));
	CHECK_MSG(mem_kib("Shmem") - before < 1024, "Shmem: %ld KiB stay",
		  mem_kib("Shmem") - before);
	CHECK_MSG(mem_kib("PageTables") - tables < 24, "PageTables: %ld KiB stay",
		  mem_kib("PageTables") - tables);
}

static void same_name_again(void)
{
	char *p, *q;
	int fd;

	p = simple_region("a", PAGE, &fd);
	put(p, 1);
	CHECK_OK(unlink(in_mnt("a")));
	q = simple_region("a", PAGE, &fd);
	CHECK(get(q) == 0);
	put(q, 2);
	CHECK(get(p) == 1);
}

static void rename_over(void)
{
	char *p, *q;
	int fd;

	p = simple_region("a", PAGE, &fd);
	q = simple_region("b", PAGE, &fd);
	put(p, 1);
	put(q, 2);
	CHECK_OK(rename(in_mnt("a"), in_mnt("b")));
	CHECK(get(region_map(region_open("b", O_RDONLY), PROT_READ)) == 1);
	CHECK(get(q) == 2);
}

static void fdinfo_lines(void)
{
	u64 g = granule();
	struct fdinfo info;
	int fd = region_new("a", 2);
	char *p;

	fdinfo_read(fd, &info);
	CHECK(info.clients == 0 && info.objects == 0);
	CHECK_OK(object_create(fd, 2 * MIB, MIB, PROT_READ, ANON, -1, 0));
	CHECK_OK(object_create(fd, g, PAGE, PROT_NONE, ANON, -1, 0));
	CHECK_OK(object_add(fd, 0, MIB));
	p = region_map(fd, RW);
	region_map(fd, PROT_READ);
	fdinfo_read(fd, &info);
	CHECK_MSG(info.clients == 2, "%d clients", info.clients);
	CHECK_MSG(info.objects == 3, "%d objects", info.objects);
	fdinfo_check(&info, 0, 0, MIB, "rw");
	fdinfo_check(&info, 1, 2 * MIB, MIB, "r-");
	fdinfo_check(&info, 2, g, PAGE, "--");
	CHECK_OK(munmap(p, 2 * g));
	fdinfo_read(region_open("a", O_RDONLY), &info);
	CHECK_MSG(info.clients == 1, "%d clients", info.clients);
	CHECK(info.objects == 3);
}

static void fdinfo_text(void)
{
	char path[64], text[1024];
	int fd;

	simple_region("a", 0x10000000, &fd);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file_read(path, text, sizeof(text));
	CHECK_MSG(strstr(text, "\nmshare_clients:\t1\n"), "%s", text);
	CHECK_MSG(strstr(text, "\nmshare_object:\t0x0 0x10000000 rw anon -\n"), "%s", text);
}

static const struct test_case cases[] = {
	{ "ftruncate sets the size", size_by_ftruncate },
	{ "fallocate sets the size", size_by_fallocate },
	{ "truncate by name sets the size", size_by_path },
	{ "create, attach by name at another address, unlink", whole_life },
	{ "O_EXCL on a name that is there: EEXIST", exclusive },
	{ "owner, group and mode decide who opens", permissions },
	{ "anonymous objects begin as zeros, each time", objects_begin_zeroed },
	{ "objects at any page of the region", object_anywhere },
	{ "objects of a whole granule are sparse", whole_region_object },
	{ "objects across the granules' borders", across_granules },
	{ "objects that come while the region is mapped", objects_while_attached },
	{ "five hundred objects", many_objects },
	{ "two mappings in one process are the same memory", two_mappings },
	{ "the name keeps the content when nobody has it open", name_keeps_content },
	{ "an unlinked region works while it is open or mapped", unlinked_but_open },
	{ "memory and page tables go with the last user", unlink_frees },
	{ "a new region of an old name is another one", same_name_again },
	{ "rename over a region replaces the name only", rename_over },
	{ "fdinfo: clients and objects, in order", fdinfo_lines },
	{ "fdinfo: the lines to the letter", fdinfo_text },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
