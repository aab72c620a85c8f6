// SPDX-License-Identifier: GPL-2.0
/*
 * What /proc tells about a process with a region, and core dumps.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "objfile.h"
#include "region.h"

/*
 * Texts that are looked for in a core dump, with the case of each letter
 * changed: so the program itself does not have what it looks for.
 */
static const char of_region_flipped[] = "oFtHErEGION";
static const char of_heap_flipped[] = "oFtHEhEAP";

static char *flip(char *to, const char *from)
{
	size_t i;

	for (i = 0; from[i]; i++)
		to[i] = from[i] ^ 0x20;
	to[i] = 0;
	return to;
}

static void sleeper(void *arg)
{
	get(arg);
	flag_raise(0);
	for (;;)
		pause();
}

static void maps_line(void)
{
	int fd;
	char *p = simple_region("a", MIB, &fd), *q, *line;
	pid_t pid = spawn(sleeper, p);

	flag_await(0, 1);
	line = proc_mapping(pid, "maps", p, granule());
	*strchr(line, '\n') = 0;
	CHECK_MSG(strstr(line, " rw-s 00000000 "), "%s", line);
	CHECK_MSG(strstr(line, in_mnt("a")), "%s", line);
	q = region_map(region_open("a", O_RDONLY), PROT_READ);
	line = proc_mapping(getpid(), "maps", q, granule());
	*strchr(line, '\n') = 0;
	CHECK_MSG(strstr(line, " r--s 00000000 "), "%s", line);
	kill_join(pid);
}

#define TOUCHED	(64 * MIB)	/* and its page tables: more than a program of ours has */

/* A process that maps a region with so much in it, and has touched it. */
static pid_t start_sleeper(char **p)
{
	pid_t pid;
	int fd;

	*p = simple_region("a", TOUCHED, &fd);
	fill(*p, TOUCHED, 1);
	pid = spawn(sleeper, *p);
	flag_await(0, 1);
	return pid;
}

static void smaps(void)
{
	char *p, *text;
	pid_t pid = start_sleeper(&p);

	text = proc_mapping(pid, "smaps", p, granule());
	CHECK(number_in(text, "Size:") == (long)(granule() / KIB));
	CHECK(number_in(text, "Rss:") == TOUCHED / KIB);
	CHECK(number_in(text, "Swap:") == 0);
	kill_join(pid);
	check_pattern(p, TOUCHED, 1);
}

/* The page tables are one, so each page is mapped once: nobody has a share of it. */
static void smaps_counts_all(void)
{
	char *p, *text;
	pid_t pids[] = { start_sleeper(&p), getpid() };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		text = proc_mapping(pids[i], "smaps", p, granule());
		CHECK(number_in(text, "Pss:") == TOUCHED / KIB);
		CHECK(number_in(text, "Private_Clean:") + number_in(text, "Private_Dirty:") ==
		      TOUCHED / KIB);
		CHECK(number_in(text, "Shared_Clean:") + number_in(text, "Shared_Dirty:") == 0);
	}
	kill_join(pids[0]);
}

/* What others have touched counts from when this process has touched one page of the granule. */
static void smaps_by_granule(void)
{
	u64 g = granule();
	int fd = region_new("a", 2), i;
	char *p = region_map(fd, RW), *q = region_map(fd, PROT_READ);

	for (i = 0; i < 2; i++) {
		CHECK_OK(object_add(fd, i * g, MIB));
		fill(p + i * g, MIB, 1);
	}
	CHECK(smaps_kib(p, 2 * g, "Rss:") == 2 * MIB / KIB);
	CHECK(smaps_kib(q, 2 * g, "Rss:") == 0);
	get(q + g + MIB - 1);
	CHECK(smaps_kib(q, 2 * g, "Rss:") == MIB / KIB);
	get(q);
	CHECK(smaps_kib(q, 2 * g, "Rss:") == 2 * MIB / KIB);
}

static void smaps_of_swapped(void)
{
	int fd;
	char *p = simple_region("a", MIB, &fd), *text;

	need_swap(2 * MIB);
	fill(p, MIB, 1);
	CHECK(smaps_kib(p, granule(), "Rss:") == MIB / KIB);
	CHECK_OK(madvise(p, MIB, MADV_PAGEOUT));
	text = proc_mapping(getpid(), "smaps", p, granule());
	CHECK(number_in(text, "Rss:") <= (long)(MIB / KIB / 10));
	CHECK(number_in(text, "Swap:") == 0 && number_in(text, "SwapPss:") == 0);
	check_pattern(p, MIB, 1);
	CHECK(smaps_kib(p, granule(), "Rss:") == MIB / KIB);
}

static void smaps_flag(void)
{
	int fd;
	char *p = simple_region("a", MIB, &fd), *other;

	CHECK_MSG(strstr(vm_flags(p, granule()), " pt"), "%s", vm_flags(p, granule()));
	other = plain_mmap(sparse_file(memfd, 1), 1);
	CHECK_MSG(!strstr(vm_flags(other, PAGE), " pt"), "%s", vm_flags(other, PAGE));
}

static void smaps_rollup(void)
{
	char *p, *text;
	pid_t pid = start_sleeper(&p);
	size_t length;

	text = proc_read(pid, "smaps_rollup", &length);
	CHECK(number_in(text, "Rss:") >= (long)(TOUCHED / KIB));
	CHECK(number_in(text, "Rss:") < (long)(2 * TOUCHED / KIB));
	kill_join(pid);
	check_pattern(p, TOUCHED, 1);
}

/* The pages of a node, as numa_maps counts them, or 0. */
static long pages_on(const char *line, const char *node)
{
	const char *at = strstr(line, node);

	return at ? strtol(at + strlen(node), NULL, 10) : 0;
}

static void numa_maps(void)
{
	char *p, start[32], *line;
	pid_t pid = start_sleeper(&p);
	size_t length;

	snprintf(start, sizeof(start), "%lx ", (unsigned long)p);
	line = strstr(proc_read(pid, "numa_maps", &length), start);
	CHECK_MSG(line, "no %s", start);
	line[strcspn(line, "\n")] = 0;
	CHECK_MSG(pages_on(line, " N0=") + pages_on(line, " N1=") == TOUCHED / PAGE, "%s", line);
	kill_join(pid);
	check_pattern(p, TOUCHED, 1);
}

/* Virtual size counts the region; resident memory and page tables leave it out. */
static void sizes(void)
{
	long size, resident;
	char *p, *text;
	pid_t pid = start_sleeper(&p);
	size_t length;
	int i;

	text = proc_read(pid, "statm", &length);
	CHECK(sscanf(text, "%ld %ld", &size, &resident) == 2);
	CHECK(size >= (long)(granule() / PAGE));
	CHECK_MSG(resident < (long)(TOUCHED / PAGE), "%ld pages", resident);
	/* stat: behind the name, in brackets, follow the third field and so on. */
	text = strrchr(proc_read(pid, "stat", &length), ')');
	CHECK(text);
	for (i = 2; i < 23 && text; i++)
		text = strchr(text + 1, ' ');
	CHECK(text && sscanf(text, "%ld %ld", &size, &resident) == 2);
	CHECK_MSG(size >= (long)granule(), "%ld bytes", size);
	CHECK_MSG(resident < (long)(TOUCHED / PAGE), "%ld pages", resident);
	CHECK(status_of(pid, "VmSize") >= (long)(granule() / KIB));
	CHECK(status_of(pid, "VmRSS") < (long)(TOUCHED / KIB));
	CHECK(status_of(pid, "VmPTE") < (long)(TOUCHED / PAGE * 8 / KIB));
	kill_join(pid);
	check_pattern(p, TOUCHED, 1);
}

static void pagemap_entries(void)
{
	int fd;
	char *p = simple_region("a", MIB, &fd), path[64];
	u64 entry[512];
	off_t at;
	pid_t pid;

	put(p, 1);
	pid = spawn(sleeper, p);
	flag_await(0, 1);
	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY);
	CHECK_OK(fd);
	at = (uintptr_t)p / PAGE * sizeof(entry[0]);
	CHECK(pread(fd, entry, sizeof(entry), at) == sizeof(entry));
	CHECK_MSG(entry[0] >> 63, "%#llx", (unsigned long long)entry[0]);
	CHECK_MSG(!(entry[1] >> 62), "%#llx", (unsigned long long)entry[1]);	/* untouched */
	at += granule() / PAGE * sizeof(entry[0]) - sizeof(entry);
	CHECK(pread(fd, entry, sizeof(entry), at) == sizeof(entry));	/* a hole at the end */
	CHECK(!(entry[511] >> 63));
	kill_join(pid);
}

/* Of <linux/fs.h>, Linux 6.7; Debian 12's headers are older. */
struct scan_range {
	u64 start, end, categories;
};

struct scan {
	u64 size, flags, start, end, walk_end, vec, vec_len, max_pages;
	u64 category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define SCAN			_IOWR('f', 16, struct scan)
enum scan_flag { SCAN_WRITE_PROTECT = 1, SCAN_CHECK_WPASYNC = 2 };
enum scan_category { SCAN_WRITTEN = 2, SCAN_PRESENT = 8 };

/* Finds the pages that are there; cannot protect them, which would be for everyone. */
static void pagemap_scanned(void)
{
	struct scan_range found[4] = { };
	struct scan scan = { .size = sizeof(scan), .vec = (uintptr_t)found,
			     .vec_len = ARRAY_SIZE(found), .category_mask = SCAN_PRESENT,
			     .return_mask = SCAN_PRESENT };
	char *p, *q;
	int fd, map;

	p = simple_region("a", MIB, &fd);
	put(p + PAGE, 1);
	put(p + 2 * PAGE, 1);
	put(p + 7 * PAGE, 1);
	q = region_map(fd, RW);
	get(q + PAGE);
	map = open("/proc/self/pagemap", O_RDONLY);
	CHECK_OK(map);
	scan.start = (uintptr_t)q;
	scan.end = scan.start + MIB;
	if (ioctl(map, SCAN, &scan) == -1 && errno == ENOTTY)
		test_skip("the kernel has no PAGEMAP_SCAN");
	CHECK(ioctl(map, SCAN, &scan) == 2);
	CHECK(found[0].start == scan.start + PAGE && found[0].end == scan.start + 3 * PAGE);
	CHECK(found[1].start == scan.start + 7 * PAGE && found[1].end == scan.start + 8 * PAGE);
	CHECK(found[0].categories == SCAN_PRESENT && found[1].categories == SCAN_PRESENT);

	/* Whatever is not protected is written, also where there is nothing. */
	scan.category_mask = SCAN_WRITTEN;
	scan.return_mask = SCAN_WRITTEN;
	scan.flags = SCAN_WRITE_PROTECT | SCAN_CHECK_WPASYNC;
	CHECK_ERR(ioctl(map, SCAN, &scan), EPERM);
	scan.flags = SCAN_WRITE_PROTECT;
	CHECK(ioctl(map, SCAN, &scan) == 0);
	scan.flags = 0;
	CHECK(ioctl(map, SCAN, &scan) == 1);
	CHECK(found[0].start == scan.start && found[0].end == scan.end);
	put(p + PAGE, 2);
	CHECK(get(q + PAGE) == 2);
}

/* To clear the bits of what others use, too, would need a flush of the TLBs for all of them. */
static void references_cleared(void)
{
	static const char * const what[] = { "1\n", "2\n", "3\n", "4\n", "5\n" };
	int fd;
	char *p = simple_region("a", MIB, &fd), *other = plain_mmap(sparse_file(memfd, 256), 256);
	size_t i;

	fill(p, MIB, 1);
	fill(other, MIB, 1);
	CHECK(smaps_kib(p, granule(), "Referenced:") == MIB / KIB);
	CHECK(smaps_kib(other, MIB, "Referenced:") == MIB / KIB);
	for (i = 0; i < ARRAY_SIZE(what); i++) {
		int refs = open("/proc/self/clear_refs", O_WRONLY);

		CHECK_OK(refs);
		CHECK(write(refs, what[i], 2) == 2 || errno == EINVAL);
		close(refs);
		CHECK_MSG(smaps_kib(p, granule(), "Referenced:") == MIB / KIB, "after %.1s",
			  what[i]);
	}
	CHECK(smaps_kib(other, MIB, "Referenced:") < (long)(MIB / KIB / 2));
	check_pattern(p, MIB, 1);
	fill(p, MIB, 2);
	check_pattern(region_map(fd, PROT_READ), MIB, 2);
}

static void in_core(void)
{
	unsigned char vector[256];
	unsigned long at;
	char *p, *q;
	size_t i;
	int fd;

	p = simple_region("a", MIB, &fd);
	fill(p, MIB, 1);
	CHECK_OK(mincore(p, MIB, vector));
	for (i = 0; i < ARRAY_SIZE(vector); i++)
		CHECK_MSG(vector[i] & 1, "page %zu", i);
	CHECK_OK(mincore(p + 2 * MIB, MIB, vector));
	for (i = 0; i < ARRAY_SIZE(vector); i++)
		CHECK_MSG(!(vector[i] & 1), "page %zu of a hole", i);
	check_pattern(p, MIB, 1);
	/* What nobody has touched through this mapping, and a file through none. */
	CHECK_OK(object_map(fd, 4 * MIB, MIB, RW, pattern_file(memfd, ARRAY_SIZE(vector)), 0));
	q = region_map(fd, PROT_READ);
	for (at = 0; at <= 4 * MIB; at += 2 * MIB) {
		CHECK_OK(mincore(q + at, MIB, vector));
		for (i = 0; i < ARRAY_SIZE(vector); i++)
			CHECK_MSG((vector[i] & 1) == (at != 2 * MIB), "page %zu at %lu MiB", i,
				  at / MIB);
	}
}

static void abort_in(void *arg)
{
	struct rlimit limit = { .rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY };
	char *heap = malloc(64);

	CHECK(heap);
	flip(heap, of_heap_flipped);
	flag_raise(heap[0] == 'O');	/* it is used, so it is kept */
	get(arg);
	CHECK_ERR(madvise(arg, granule(), MADV_DODUMP), EINVAL);
	CHECK_OK(setrlimit(RLIMIT_CORE, &limit));
	abort();
}

static bool contains(const char *path, const char *text)
{
	size_t length = strlen(text), i;
	struct stat st;
	bool found = false;
	char *p;
	int fd;

	fd = open(path, O_RDONLY);
	CHECK_MSG(fd != -1, "no core file %s", path);
	CHECK_OK(fstat(fd, &st));
	test_note("core: %ld KiB", (long)st.st_size / 1024);
	CHECK(st.st_size > 0 && (u64)st.st_size < 64 * MIB);
	p = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK_OK(p);
	for (i = 0; !found && i + length <= (size_t)st.st_size; i++)
		found = !memcmp(p + i, text, length);
	CHECK_OK(munmap(p, st.st_size));
	close(fd);
	return found;
}

static void core_dump(void)
{
	char text[64], path[] = "/tmp/mshare-core";
	int fd, status, i;
	char *p = simple_region("a", MIB, &fd);
	pid_t pid;

	for (i = 0; i < 16; i++)
		flip(p + i * PAGE, of_region_flipped);
	test_set("/proc/sys/kernel/core_pattern", path);
	test_set("/proc/sys/kernel/core_uses_pid", "0");
	pid = spawn(abort_in, p);
	status = join(pid);
	CHECK_MSG(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %#x", status);
	if (!WCOREDUMP(status))
		test_skip("no core dumps here");
	CHECK(contains(path, flip(text, of_heap_flipped)));
	CHECK(!contains(path, flip(text, of_region_flipped)));
	CHECK_OK(unlink(path));
}

static const struct test_case cases[] = {
	{ "/proc/PID/maps", maps_line },
	{ "/proc/PID/smaps", smaps },
	{ "/proc/PID/smaps: each process counts all of it, in Pss and Private", smaps_counts_all },
	{ "/proc/PID/smaps: granules from when the process has touched them", smaps_by_granule },
	{ "/proc/PID/smaps: nothing of what is in swap", smaps_of_swapped },
	{ "/proc/PID/smaps: the flag pt", smaps_flag },
	{ "/proc/PID/smaps_rollup", smaps_rollup },
	{ "/proc/PID/numa_maps", numa_maps },
	{ "/proc/PID/stat, statm and status", sizes },
	{ "/proc/PID/pagemap", pagemap_entries },
	{ "/proc/PID/pagemap, scanned", pagemap_scanned },
	{ "/proc/PID/clear_refs changes nothing", references_cleared },
	{ "mincore", in_core },
	{ "a core dump leaves the region out", core_dump, .slow = 2 },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
