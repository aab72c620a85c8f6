// SPDX-License-Identifier: GPL-2.0
/*
 * Bad input to files and ioctls: a line for each row of the interface's table.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <termios.h>
#include <unistd.h>

#include "region.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE	0x100000
#endif
#ifndef SYS_memfd_secret
#define SYS_memfd_secret	447
#endif
#define ANON_NOREPLACE	(MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_ANONYMOUS)

static off_t size_of(int fd)
{
	struct stat st;

	CHECK_OK(fstat(fd, &st));
	return st.st_size;
}

static void size_not_multiple(void)
{
	off_t g = granule();
	int fd = region_file("a");

	CHECK_ERR(ftruncate(fd, 1), EINVAL);
	CHECK_ERR(ftruncate(fd, PAGE), EINVAL);
	CHECK_ERR(ftruncate(fd, g / 2), EINVAL);
	CHECK_ERR(ftruncate(fd, g - 1), EINVAL);
	CHECK_ERR(ftruncate(fd, g + PAGE), EINVAL);
	CHECK_ERR(truncate(in_mnt("a"), g + 1), EINVAL);
	CHECK_ERR(fallocate(fd, 0, 0, g + PAGE), EINVAL);
	CHECK_ERR(fallocate(fd, 0, 0, 1), EINVAL);
	CHECK(size_of(fd) == 0);
	CHECK_OK(ftruncate(fd, g));
}

static void size_zero(void)
{
	int fd = region_file("a");

	CHECK_ERR(ftruncate(fd, 0), EINVAL);
	CHECK_ERR(fallocate(fd, 0, 0, 0), EINVAL);
	CHECK_ERR(ftruncate(fd, -(off_t)granule()), EINVAL);
	CHECK_OK(ftruncate(fd, granule()));
}

static void size_second_time(void)
{
	off_t g = granule();
	int fd = region_new("a", 1);

	CHECK_ERR(ftruncate(fd, g), EINVAL);
	CHECK_ERR(ftruncate(fd, 2 * g), EINVAL);
	CHECK_ERR(ftruncate(fd, 0), EINVAL);
	CHECK_ERR(truncate(in_mnt("a"), 2 * g), EINVAL);
	CHECK_ERR(fallocate(fd, 0, 0, g), EINVAL);
	CHECK_ERR(fallocate(fd, 0, 0, 2 * g), EINVAL);
	CHECK(size_of(fd) == g);
}

static void open_truncated(void)
{
	off_t g = granule();
	int fd;
	char *p = simple_region("a", MIB, &fd);

	fill(p, MIB, 1);
	CHECK_ERR(open(in_mnt("a"), O_RDWR | O_TRUNC), EINVAL);
	CHECK_ERR(open(in_mnt("a"), O_WRONLY | O_TRUNC | O_CREAT, 0600), EINVAL);
	CHECK(size_of(fd) == g);
	check_pattern(p, MIB, 1);
	check_pattern(region_map(region_open("a", O_RDONLY), PROT_READ), MIB, 1);
}

static void fallocate_modes(void)
{
	static const int modes[] = {
		FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE,
		FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_COLLAPSE_RANGE,
		FALLOC_FL_INSERT_RANGE,
		FALLOC_FL_UNSHARE_RANGE,
	};
	int unsized = region_file("b");
	size_t i;
	char *p;
	int fd;

	p = simple_region("a", MIB, &fd);
	fill(p, MIB, 1);
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		CHECK_ERR(fallocate(fd, modes[i], 0, granule()), EOPNOTSUPP);
		CHECK_ERR(fallocate(unsized, modes[i], 0, granule()), EOPNOTSUPP);
	}
	CHECK(size_of(unsized) == 0);
	check_pattern(p, MIB, 1);
}

static void fallocate_offset(void)
{
	int fd = region_file("a");

	CHECK_ERR(fallocate(fd, 0, granule(), granule()), EINVAL);
	CHECK_ERR(fallocate(fd, 0, PAGE, granule() - PAGE), EINVAL);
	CHECK(size_of(fd) == 0);
}

static void size_beyond_limits(void)
{
	int fd = region_file("a");

	CHECK_ERR2(ftruncate(fd, 1ULL << 47), EINVAL, EFBIG);
	CHECK_ERR2(ftruncate(fd, 1ULL << 57), EINVAL, EFBIG);
	CHECK_ERR2(ftruncate(fd, 1ULL << 62), EINVAL, EFBIG);
	CHECK_ERR2(fallocate(fd, 0, 0, 1ULL << 47), EINVAL, EFBIG);
	CHECK_ERR2(fallocate(fd, 0, 0, 1ULL << 62), EINVAL, EFBIG);
	CHECK(size_of(fd) == 0);
}

static void size_beyond_rlimit(void)
{
	struct rlimit limit = { .rlim_cur = MIB, .rlim_max = MIB };
	int fd = region_file("a");

	signal(SIGXFSZ, SIG_IGN);
	CHECK_OK(setrlimit(RLIMIT_FSIZE, &limit));
	CHECK_ERR2(ftruncate(fd, granule()), EFBIG, EINVAL);
	CHECK_ERR2(fallocate(fd, 0, 0, granule()), EFBIG, EINVAL);
	CHECK(size_of(fd) == 0);
}

static void create_not_aligned(void)
{
	int fd = region_new("a", 1);

	CHECK_ERR(object_add(fd, 1, PAGE), EINVAL);
	CHECK_ERR(object_add(fd, PAGE / 2, PAGE), EINVAL);
	CHECK_ERR(object_add(fd, 0, 1), EINVAL);
	CHECK_ERR(object_add(fd, 0, PAGE + 1), EINVAL);
	CHECK_ERR(object_create(fd, 0, PAGE, RW, ANON, -1, 1), EINVAL);
	CHECK_ERR(object_create(fd, 0, PAGE, RW, ANON, -1, PAGE / 2), EINVAL);
}

static void create_zero_size(void)
{
	int fd = region_new("a", 1);

	CHECK_ERR(object_add(fd, 0, 0), EINVAL);
	CHECK_ERR(object_add(fd, granule(), 0), EINVAL);
}

static void create_out_of_region(void)
{
	u64 g = granule();
	int fd = region_new("a", 1);

	CHECK_ERR(object_add(fd, g, PAGE), EINVAL);
	CHECK_ERR(object_add(fd, g - PAGE, 2 * PAGE), EINVAL);
	CHECK_ERR(object_add(fd, 0, g + PAGE), EINVAL);
	CHECK_ERR(object_add(fd, 5 * g, PAGE), EINVAL);
	CHECK_OK(object_add(fd, g - PAGE, PAGE));
}

static void create_overflow(void)
{
	int fd = region_new("a", 1);

	CHECK_ERR(object_add(fd, -PAGE, PAGE), EINVAL);
	CHECK_ERR(object_add(fd, -PAGE, 2 * PAGE), EINVAL);
	CHECK_ERR(object_add(fd, PAGE, -PAGE), EINVAL);
	CHECK_ERR(object_add(fd, 2 * PAGE, -PAGE), EINVAL);
	CHECK_ERR(object_add(fd, 1ULL << 63, 1ULL << 63), EINVAL);
	CHECK_ERR(object_create(fd, 0, 2 * PAGE, RW, ANON, -1, -PAGE), EINVAL);
}

static void create_map_type(void)
{
	const unsigned int rest = MAP_FIXED | MAP_ANONYMOUS;
	int fd = region_new("a", 1);

	CHECK_ERR(object_create(fd, 0, PAGE, RW, rest | MAP_PRIVATE, -1, 0), EINVAL);
	CHECK_ERR(object_create(fd, 0, PAGE, RW, rest | MAP_SHARED_VALIDATE, -1, 0), EINVAL);
	CHECK_ERR(object_create(fd, 0, PAGE, RW, rest, -1, 0), EINVAL);
	CHECK_ERR(object_create(fd, 0, PAGE, RW, rest | 0x0f, -1, 0), EINVAL);
}

static void create_not_fixed(void)
{
	int fd = region_new("a", 1);

	CHECK_ERR(object_create(fd, 0, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0), EINVAL);
	CHECK_ERR(object_create(fd, 0, PAGE, RW, MAP_SHARED, fd, 0), EINVAL);
}

static void create_unknown_flags(void)
{
	static const unsigned int unknown[] = {
		0x40, MAP_GROWSDOWN, 0x200, 0x400, MAP_LOCKED, MAP_POPULATE, MAP_NONBLOCK,
		MAP_STACK, MAP_SYNC, 0x200000, 0x400000, 0x800000, 0x1000000, 0x2000000,
	};
	int fd = region_new("a", 1);
	struct fdinfo info;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(unknown); i++) {
		int ret = object_create(fd, 0, PAGE, RW, ANON | unknown[i], -1, 0);

		CHECK_MSG(ret == -1 && errno == EINVAL, "flag %#x: returned %d, %s", unknown[i],
			  ret, strerror(errno));
	}
	fdinfo_read(fd, &info);
	CHECK(info.objects == 0);
}

static void create_anonymous_with_fd(void)
{
	int fd = region_new("a", 1);

	CHECK_ERR(object_create(fd, 0, PAGE, RW, ANON, fd, 0), EINVAL);
	CHECK_ERR(object_create(fd, 0, PAGE, RW, ANON, 0, 0), EINVAL);
	CHECK_ERR(object_create(fd, 0, PAGE, RW, ANON, 12345, 0), EINVAL);
	CHECK_ERR(object_create(fd, 0, PAGE, RW, ANON, -2, 0), EINVAL);
}

static int object_of_file(int fd, u64 size, unsigned int prot, int objfd)
{
	return object_create(fd, 0, size, prot, MAP_SHARED | MAP_FIXED, objfd, 0);
}

/* No object can be made of the file, and the one that is there stays; objfd is closed. */
static void refuse_file(int fd, char *p, int objfd, int want)
{
	struct fdinfo info;

	CHECK_OK(objfd);
	CHECK_ERR(object_of_file(fd, PAGE, PROT_READ, objfd), want);
	CHECK_ERR(object_of_file(fd, 2 * MIB, PROT_NONE, objfd), want);
	CHECK_ERR(object_create(fd, 0, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, objfd, PAGE), want);
	CHECK_OK(close(objfd));
	check_pattern(p, 2 * MIB, 1);
	fdinfo_read(fd, &info);
	CHECK(info.objects == 1);
}

static char *region_to_keep(int *fd)
{
	char *p = simple_region("a", 2 * MIB, fd);

	fill(p, 2 * MIB, 1);
	return p;
}

static void create_bad_fd(void)
{
	int fd = region_new("a", 1);
	int closed = dup(fd);

	CHECK_OK(close(closed));
	CHECK_ERR(object_of_file(fd, PAGE, RW, closed), EBADF);
	CHECK_ERR(object_of_file(fd, PAGE, RW, -1), EBADF);
	CHECK_ERR(object_of_file(fd, PAGE, RW, INT_MAX), EBADF);
	CHECK_ERR(object_of_file(fd, PAGE, PROT_READ, open("/proc/self/exe", O_PATH)), EBADF);
}

static void create_device(void)
{
	int fd, pipes[2], zero = open("/dev/zero", O_RDWR);
	char *p = region_to_keep(&fd);

	CHECK_OK(zero);
	CHECK_ERR(object_of_file(fd, PAGE, RW, zero), ENODEV);
	refuse_file(fd, p, zero, ENODEV);
	refuse_file(fd, p, open("/dev/null", O_RDWR), ENODEV);
	refuse_file(fd, p, open("/", O_RDONLY), ENODEV);
	refuse_file(fd, p, socket(AF_UNIX, SOCK_STREAM, 0), ENODEV);
	refuse_file(fd, p, eventfd(0, 0), ENODEV);
	CHECK_OK(pipe(pipes));
	refuse_file(fd, p, pipes[0], ENODEV);
}

/* Regular files by their mode, but without pages of a file system's own. */
static void create_special_file(void)
{
	static const char * const path[] = {
		"/proc/version", "/proc/self/maps", "/proc/self/mem", "/sys/kernel/mm/ksm/run",
		"/sys/kernel/notes",
	};
	size_t i;
	char *p;
	int fd;

	p = region_to_keep(&fd);
	refuse_file(fd, p, open(in_mnt("mshare_info"), O_RDONLY), ENODEV);
	for (i = 0; i < ARRAY_SIZE(path); i++) {
		int file = open(path[i], O_RDONLY);

		if (file != -1)
			refuse_file(fd, p, file, ENODEV);
	}
}

/* The memory of a PCI device, which sysfs has as a regular file that can be mapped. */
static void create_device_memory(void)
{
	char path[300], *p;
	struct dirent *entry;
	int fd, tried = 0;
	unsigned char c;
	DIR *dir;

	dir = opendir("/sys/bus/pci/devices");
	p = region_to_keep(&fd);
	while (dir && (entry = readdir(dir))) {
		int bar, file;

		for (bar = 0; bar < 6; bar++) {
			snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource%d",
				 entry->d_name, bar);
			file = open(path, O_RDWR);
			if (file == -1)
				continue;
			CHECK_ERR(object_create(fd, 4 * MIB, PAGE, RW, MAP_SHARED | MAP_FIXED,
						file, 0), ENODEV);
			/* Nothing of it is left in the page tables. */
			CHECK(peek(p + 4 * MIB, &c) == SIGSEGV);
			CHECK_ERR(object_of_file(fd, PAGE, RW, file), ENODEV);
			check_pattern(p, 2 * MIB, 1);
			close(file);
			tried++;
		}
	}
	if (!tried)
		test_skip("no PCI device has a resource");
}

#define PMEM	"/dev/pmem0"
#define ON_PMEM	"/tmp/mshare-pmem"

/* The file on that device; its pages are the device's own, or those of the page cache. */
static int file_on_pmem(const char *dax, bool is_dax)
{
	struct statx told;
	int file;

	CHECK_OK(mount(PMEM, ON_PMEM, "ext4", MS_RDONLY, dax));
	file = open(ON_PMEM "/file", O_RDONLY);
	CHECK_OK(file);
	CHECK_OK(statx(file, "", AT_EMPTY_PATH, 0, &told));
	CHECK(!!(told.stx_attributes & STATX_ATTR_DAX) == is_dax);
	return file;
}

static void create_dax(void)
{
	int fd, file;
	char *p;

	if (access(PMEM, F_OK))
		test_skip("no " PMEM);
	mkdir(ON_PMEM, 0700);
	p = region_to_keep(&fd);
	refuse_file(fd, p, file_on_pmem("dax=always", true), ENODEV);
	CHECK_OK(umount(ON_PMEM));
	file = file_on_pmem("dax=never", false);
	CHECK_OK(object_of_file(fd, PAGE, PROT_READ, file));
	CHECK_OK(close(file));
	CHECK_OK(object_del(fd, 0, granule()));
	CHECK_OK(umount(ON_PMEM));
}

static void create_secret_memory(void)
{
	int fd, secret = syscall(SYS_memfd_secret, 0);
	char *p;

	if (secret == -1)
		test_skip("no memfd_secret: %s", strerror(errno));
	CHECK_OK(ftruncate(secret, 2 * MIB));
	p = region_to_keep(&fd);
	CHECK_ERR(object_of_file(fd, PAGE, RW, secret), ENODEV);
	refuse_file(fd, p, secret, ENODEV);
}

/* Huge pages come by MAP_ANONYMOUS | MAP_HUGETLB alone. */
static void create_hugetlb_file(void)
{
	int fd, huge = memfd_create("huge", MFD_HUGETLB);
	char *p;

	if (huge == -1)
		test_skip("no huge pages: %s", strerror(errno));
	p = region_to_keep(&fd);
	CHECK_ERR(object_of_file(fd, 2 * MIB, RW, huge), ENODEV);
	CHECK_ERR(object_create(fd, 0, 2 * MIB, RW, MAP_SHARED | MAP_FIXED | MAP_HUGETLB, huge, 0),
		  EINVAL);
	refuse_file(fd, p, huge, ENODEV);
}

static void create_region_in_region(void)
{
	int fd = region_new("a", 1), other = region_new("b", 1);

	CHECK_OK(object_add(other, 0, MIB));
	CHECK_ERR(object_of_file(fd, MIB, RW, other), EINVAL);
	CHECK_ERR(object_of_file(fd, MIB, RW, fd), EINVAL);
	CHECK_ERR(object_of_file(fd, MIB, PROT_READ, region_open("b", O_RDONLY)), EINVAL);
	CHECK_ERR(object_of_file(fd, granule(), RW, other), EINVAL);
}

static void create_exec(void)
{
	int fd = region_new("a", 1);

	CHECK_ERR(object_create(fd, 0, PAGE, PROT_READ | PROT_EXEC, ANON, -1, 0), EINVAL);
	CHECK_ERR(object_create(fd, 0, PAGE, PROT_EXEC, ANON, -1, 0), EINVAL);
	CHECK_ERR(object_create(fd, 0, PAGE, RW | PROT_EXEC, ANON, -1, 0), EINVAL);
}

static void create_huge_not_aligned(void)
{
	int fd = region_new("a", 1);

	CHECK_ERR(object_create(fd, PAGE, 2 * MIB, RW, ANON | MAP_HUGETLB, -1, 0), EINVAL);
	CHECK_ERR(object_create(fd, 0, MIB, RW, ANON | MAP_HUGETLB, -1, 0), EINVAL);
	CHECK_ERR(object_create(fd, 0, granule(), RW, ANON | MAP_HUGETLB | (30u << 26), -1, 0),
		  EINVAL);
	CHECK_ERR(object_create(fd, 0, granule(), RW, ANON | (21u << 26), -1, 0), EINVAL);
}

static void create_no_replace(void)
{
	int fd;
	char *p = simple_region("a", MIB, &fd);

	fill(p, MIB, 1);
	CHECK_ERR(object_create(fd, 0, MIB, RW, ANON_NOREPLACE, -1, 0), EEXIST);
	CHECK_ERR(object_create(fd, MIB - PAGE, 2 * PAGE, RW, ANON_NOREPLACE, -1, 0), EEXIST);
	CHECK_ERR(object_create(fd, PAGE, PAGE, RW, ANON_NOREPLACE, -1, 0), EEXIST);
	CHECK_ERR(object_create(fd, 0, 4 * MIB, RW, ANON_NOREPLACE, -1, 0), EEXIST);
	check_pattern(p, MIB, 1);
	CHECK_OK(object_create(fd, MIB, MIB, RW, ANON_NOREPLACE, -1, 0));
	put(p + MIB, 1);
	CHECK_ERR(object_create(fd, MIB, MIB, RW, ANON_NOREPLACE | MAP_FIXED, -1, 0), EEXIST);
	CHECK(get(p + MIB) == 1);
}

static void beyond_overcommit(void)
{
	u64 g = granule();
	int fd;

	fd = region_file("a");
	CHECK_OK(ftruncate(fd, 1024 * g));
	test_set("/proc/sys/vm/overcommit_memory", "0");
	CHECK_ERR(object_add(fd, 0, 1024 * g), ENOMEM);
	CHECK_OK(object_add(fd, 0, PAGE));
}

static void commit_given_back(void)
{
	long before = mem_kib("Committed_AS"), grown;
	char *p;
	int fd;

	p = simple_region("a", 64 * MIB, &fd);
	grown = mem_kib("Committed_AS") - before;
	CHECK_MSG(grown >= (long)(60 * KIB) && grown < (long)(80 * KIB), "grew by %ld KiB", grown);
	CHECK_OK(object_del(fd, 0, 32 * MIB));
	CHECK_OK(object_del(fd, 32 * MIB, 32 * MIB));
	CHECK_OK(munmap(p, granule()));
	CHECK_OK(close(fd));
	CHECK_OK(unlink(in_mnt("a")));
	grown = mem_kib("Committed_AS") - before;
	CHECK_MSG(grown < (long)(4 * KIB), "%ld KiB stay", grown);
}

static void ioctl_read_only(void)
{
	int fd = region_new("a", 1), ro;

	CHECK_OK(object_add(fd, 0, PAGE));
	ro = region_open("a", O_RDONLY);
	CHECK_ERR(object_add(ro, PAGE, PAGE), EACCES);
	CHECK_ERR(object_create(ro, PAGE, PAGE, PROT_READ, ANON, -1, 0), EACCES);
	CHECK_ERR(object_del(ro, 0, PAGE), EACCES);
	put(region_map(fd, RW), 1);
}

static void ioctl_write_only(void)
{
	int fd = region_new("a", 1), wo = region_open("a", O_WRONLY);

	CHECK_OK(object_add(wo, 0, 2 * PAGE));
	CHECK_OK(object_del(wo, 0, PAGE));
	put(region_map(fd, RW) + PAGE, 1);
}

static void ioctl_before_size(void)
{
	int fd = region_file("a");

	CHECK_ERR(object_add(fd, 0, PAGE), EINVAL);
	CHECK_ERR(object_del(fd, 0, PAGE), EINVAL);
}

static void unmap_bad_range(void)
{
	u64 g = granule();
	int fd;
	char *p = simple_region("a", MIB, &fd);

	fill(p, MIB, 1);
	CHECK_ERR(object_del(fd, 1, PAGE), EINVAL);
	CHECK_ERR(object_del(fd, 0, 1), EINVAL);
	CHECK_ERR(object_del(fd, 0, PAGE + 1), EINVAL);
	CHECK_ERR(object_del(fd, 0, 0), EINVAL);
	CHECK_ERR(object_del(fd, g, PAGE), EINVAL);
	CHECK_ERR(object_del(fd, 0, g + PAGE), EINVAL);
	CHECK_ERR(object_del(fd, -PAGE, 2 * PAGE), EINVAL);
	CHECK_ERR(object_del(fd, PAGE, -PAGE), EINVAL);
	check_pattern(p, MIB, 1);
}

static void unmap_of_nothing(void)
{
	int fd = region_new("a", 1);

	CHECK_OK(object_del(fd, 0, PAGE));
	CHECK_OK(object_del(fd, 0, granule()));
}

static void bad_pointer(void)
{
	char *page = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = region_new("a", 1);

	CHECK_OK(page);
	CHECK_OK(munmap(page + PAGE, PAGE));
	CHECK_ERR(ioctl(fd, MSHAREFS_CREATE_MAPPING, NULL), EFAULT);
	CHECK_ERR(ioctl(fd, MSHAREFS_UNMAP, NULL), EFAULT);
	CHECK_ERR(ioctl(fd, MSHAREFS_CREATE_MAPPING, page + PAGE - 16), EFAULT);
	CHECK_ERR(ioctl(fd, MSHAREFS_UNMAP, page + PAGE - 8), EFAULT);
	CHECK_ERR(ioctl(fd, MSHAREFS_CREATE_MAPPING, -1L), EFAULT);
}

static void unknown_ioctl(void)
{
	int fd = region_new("a", 1);
	struct termios term;
	char buffer[128] = "";

	CHECK_ERR(ioctl(fd, _IO('x', 2), buffer), ENOTTY);
	CHECK_ERR(ioctl(fd, _IOW('x', 0, struct mshare_unmap), buffer), ENOTTY);
	CHECK_ERR(ioctl(fd, _IOR('x', 0, struct mshare_create), buffer), ENOTTY);
	CHECK_ERR(ioctl(fd, _IOW('y', 0, struct mshare_create), buffer), ENOTTY);
	CHECK_ERR(ioctl(fd, TCGETS, &term), ENOTTY);
}

/* As a 32-bit program calls; what it points at must lie below 4 GiB. */
static int call_of_32_bits(int number, int a, unsigned int b, void *c)
{
	long ret;

	asm volatile("int $0x80"
		     : "=a" (ret)
		     : "a" (number), "b" (a), "c" (b), "d" (c)
		     : "memory", "r8", "r9", "r10", "r11");
	return ret;
}

#define IOCTL_OF_32_BITS	54

static void call_close_on_exec(void *arg)
{
	CHECK(!call_of_32_bits(IOCTL_OF_32_BITS, (uintptr_t)arg, FIOCLEX, NULL));
}

static void ioctl_of_32_bits(void)
{
	struct mshare_create *create = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT,
					    -1, 0);
	struct mshare_unmap *unmap = (void *)(create + 1);
	int fd = region_new("a", 1), status;
	struct fdinfo info;

	CHECK_OK(create);
	status = join(spawn(call_close_on_exec, (void *)(uintptr_t)fd));
	if (WIFSIGNALED(status))
		test_skip("this kernel runs no 32-bit programs");
	CHECK(!status);
	*create = (struct mshare_create) { .size = PAGE, .prot = RW, .flags = ANON, .fd = -1 };
	*unmap = (struct mshare_unmap) { .size = PAGE };
	CHECK(call_of_32_bits(IOCTL_OF_32_BITS, fd, MSHAREFS_CREATE_MAPPING, create) == -ENOTTY);
	fdinfo_read(fd, &info);
	CHECK(info.objects == 0);
	CHECK_OK(ioctl(fd, MSHAREFS_CREATE_MAPPING, create));
	CHECK(call_of_32_bits(IOCTL_OF_32_BITS, fd, MSHAREFS_UNMAP, unmap) == -ENOTTY);
	fdinfo_read(fd, &info);
	CHECK(info.objects == 1);
}

static void ioctl_numbers(void)
{
	CHECK(MSHAREFS_CREATE_MAPPING == 0x40287800);
	CHECK(MSHAREFS_UNMAP == 0x40107801);
	CHECK(sizeof(struct mshare_create) == 40 && sizeof(struct mshare_unmap) == 16);
}

static void no_read(void)
{
	char buffer[64];
	struct iovec iov = { .iov_base = buffer, .iov_len = sizeof(buffer) };
	int fd;

	put(simple_region("a", MIB, &fd), 1);
	CHECK_ERR(read(fd, buffer, sizeof(buffer)), EINVAL);
	CHECK_ERR(pread(fd, buffer, sizeof(buffer), 0), EINVAL);
	CHECK_ERR(readv(fd, &iov, 1), EINVAL);
}

static void no_write(void)
{
	char buffer[64] = "text";
	struct iovec iov = { .iov_base = buffer, .iov_len = sizeof(buffer) };
	int fd;
	char *p = simple_region("a", MIB, &fd);

	CHECK_ERR(write(fd, buffer, sizeof(buffer)), EINVAL);
	CHECK_ERR(pwrite(fd, buffer, sizeof(buffer), 0), EINVAL);
	CHECK_ERR(writev(fd, &iov, 1), EINVAL);
	CHECK(get(p) == 0);
	CHECK(size_of(fd) == (off_t)granule());
}

static void no_splice(void)
{
	int fd, pipes[2];

	put(simple_region("a", MIB, &fd), 1);
	CHECK_OK(pipe(pipes));
	CHECK_ERR(splice(fd, NULL, pipes[1], NULL, PAGE, 0), EINVAL);
	CHECK_ERR(sendfile(pipes[1], fd, NULL, PAGE), EINVAL);
	CHECK(write(pipes[1], "text", 4) == 4);
	CHECK_ERR(splice(pipes[0], NULL, fd, NULL, 4, 0), EINVAL);
}

static const struct test_case cases[] = {
	{ "a size that is no multiple of the granularity: EINVAL", size_not_multiple },
	{ "size zero or negative: EINVAL", size_zero },
	{ "size set a second time: EINVAL", size_second_time },
	{ "open(O_TRUNC) of a sized region: EINVAL, and it stays intact", open_truncated },
	{ "fallocate with a mode: EOPNOTSUPP", fallocate_modes },
	{ "fallocate with an offset: EINVAL", fallocate_offset },
	{ "a size beyond the address space: EINVAL or EFBIG", size_beyond_limits },
	{ "a size beyond RLIMIT_FSIZE: EFBIG or EINVAL", size_beyond_rlimit },
	{ "CREATE_MAPPING: something not page aligned: EINVAL", create_not_aligned },
	{ "CREATE_MAPPING: zero size: EINVAL", create_zero_size },
	{ "CREATE_MAPPING: out of the region: EINVAL", create_out_of_region },
	{ "CREATE_MAPPING: a sum that overflows: EINVAL", create_overflow },
	{ "CREATE_MAPPING: a type other than MAP_SHARED: EINVAL", create_map_type },
	{ "CREATE_MAPPING: without MAP_FIXED: EINVAL", create_not_fixed },
	{ "CREATE_MAPPING: unknown flags: EINVAL", create_unknown_flags },
	{ "CREATE_MAPPING: anonymous with an fd: EINVAL", create_anonymous_with_fd },
	{ "CREATE_MAPPING: an fd that is not open: EBADF", create_bad_fd },
	{ "CREATE_MAPPING: a device, a directory, a pipe, a socket: ENODEV", create_device },
	{ "CREATE_MAPPING: a file of proc, sysfs, mshare_info: ENODEV", create_special_file },
	{ "CREATE_MAPPING: a PCI device's memory in sysfs: ENODEV", create_device_memory },
	{ "CREATE_MAPPING: a file that is memory (DAX): ENODEV", create_dax },
	{ "CREATE_MAPPING: memfd_secret: ENODEV", create_secret_memory },
	{ "CREATE_MAPPING: a file of huge pages: ENODEV", create_hugetlb_file },
	{ "CREATE_MAPPING: a region: EINVAL", create_region_in_region },
	{ "CREATE_MAPPING: PROT_EXEC: EINVAL", create_exec },
	{ "CREATE_MAPPING: MAP_HUGETLB not aligned, or gigantic: EINVAL", create_huge_not_aligned },
	{ "CREATE_MAPPING: MAP_FIXED_NOREPLACE over an object: EEXIST", create_no_replace },
	{ "CREATE_MAPPING: beyond overcommit: ENOMEM", beyond_overcommit },
	{ "Committed_AS grows by an object and shrinks when it goes", commit_given_back },
	{ "ioctls on a read-only descriptor: EACCES", ioctl_read_only },
	{ "ioctls on a write-only descriptor work", ioctl_write_only },
	{ "ioctls before the size is set: EINVAL", ioctl_before_size },
	{ "UNMAP: not aligned, zero, out of the region: EINVAL", unmap_bad_range },
	{ "UNMAP where nothing is mapped is no error", unmap_of_nothing },
	{ "ioctls with a bad pointer: EFAULT", bad_pointer },
	{ "an unknown ioctl: ENOTTY", unknown_ioctl },
	{ "ioctls of a 32-bit program: ENOTTY", ioctl_of_32_bits },
	{ "ioctl numbers and structure sizes", ioctl_numbers },
	{ "read of a region: EINVAL", no_read },
	{ "write to a region: EINVAL", no_write },
	{ "splice and sendfile of a region: EINVAL", no_splice },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
