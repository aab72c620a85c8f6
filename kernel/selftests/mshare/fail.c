// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation that a call makes fails once: the first, the second, and so on, until the call
 * makes no more. Each time it must say so, change nothing, and work when it is made again. Then all
 * of it again and again, and nothing may be left over.
 *
 * Needs a kernel with failslab and fail_page_alloc (CONFIG_FAULT_INJECTION_DEBUG_FS).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "groups.h"
#include "level.h"
#include "objfile.h"
#include "region.h"

#define FAIL_NTH	"/proc/thread-self/fail-nth"
#define MOST		2000	/* allocations of one call: more is a mistake of the test */

/* What a failure leaves each time is more than caches grow by themselves after so many. */
#define REPEATS		200
#define SLAB_SLACK	24

#define PIECE		(16 * PAGE)	/* of a part of what is there before: it has a pattern */

/* Where nothing else is, in 512 GiB of address space: the tables for it are the fault's to make. */
#define FAR		((char *)(1UL << 44))
#define TOUCHED		(4 * PAGE)

/* Allocations that may wait fail, too, those of user memory as well, and nothing is in the log. */
static void allow_failures(void)
{
	static const char * const kind[] = { "failslab", "fail_page_alloc" };
	static const struct {
		const char *name, *value;
	} set[] = {
		{ "ignore-gfp-wait", "N" }, { "verbose", "0" },
	};
	char path[128];
	size_t i, j;

	if (access(FAIL_NTH, W_OK))
		test_skip("the kernel has no fault injection");
	need_debugfs();
	for (i = 0; i < ARRAY_SIZE(kind); i++) {
		for (j = 0; j < ARRAY_SIZE(set); j++) {
			snprintf(path, sizeof(path), DEBUGFS "/%s/%s", kind[i], set[j].name);
			test_set(path, set[j].value);
		}
	}
	test_set(DEBUGFS "/fail_page_alloc/min-order", "0");
	test_set(DEBUGFS "/fail_page_alloc/ignore-gfp-highmem", "N");
}

static int nth_file;
static bool armed, failed;

static void set_nth(unsigned int nth)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", nth);
	CHECK(pwrite(nth_file, text, strlen(text), 0) == (ssize_t)strlen(text));
}

/* Let an allocation of this thread fail, counted from now. */
static void begin_failure(unsigned int nth)
{
	set_nth(nth);
	armed = true;
}

/* From here on nothing fails; sets failed to whether something did. Keeps errno. */
static void end_failure(void)
{
	int error = errno;
	char text[16];
	ssize_t got;

	if (!armed)
		return;
	got = pread(nth_file, text, sizeof(text) - 1, 0);
	CHECK(got > 0);
	text[got] = 0;
	failed = strtoul(text, NULL, 10) == 0;
	set_nth(0);
	armed = false;
	errno = error;
}

/*
 * A call to try: ready() makes what each try needs anew; made() does it and returns 0 or -1 with
 * errno, after end_failure() where there is more to do than the call; undone() takes back what it
 * did; same() checks that nothing is there after a failure.
 */
struct call {
	const char *what;
	int (*made)(void);
	void (*undone)(void);
	void (*same)(void);
	void (*ready)(void);
	int may_fail_with;	/* beside ENOMEM */
	unsigned int least;	/* it surely needs so many allocations; 0 means 1 */
	unsigned int repeats;	/* 0 means REPEATS */
	const char * const *file;	/* what is there before is a file of that kind */
	long pool;	/* of so many huge pages */
	bool huge;		/* what is there before is of them */
};

static int fd, memory, old_file = -1;
static char *p;

/* What is in "a" before: four parts, the second of which is taken out or replaced. */
static bool huge;
static u64 part = PIECE;
#define OLD	(4 * part)

static int fresh;
static char *q;

/* What the instance has left: bytes in pages, and regions. */
static void room(struct statfs *st)
{
	CHECK_OK(statfs(test_mnt, st));
}

/* A number of huge pages: "free" or "resv". */
static long pool_has(const char *which)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-2048kB/%s_hugepages",
		 which);
	file_read(path, text, sizeof(text));
	return strtol(text, NULL, 10);
}

/* Whether the call worked, though an allocation may have failed: some are not needed. */
static bool try_nth(const struct call *call, unsigned int nth)
{
	long is_free = 0, reserved = 0;
	struct statfs before, after;
	int ret, error;

	room(&before);
	if (call->pool) {
		is_free = pool_has("free");
		reserved = pool_has("resv");
	}
	if (call->ready)
		call->ready();
	begin_failure(nth);
	ret = call->made();
	end_failure();
	error = errno;
	if (ret == 0) {
		call->undone();
	} else {
		CHECK_MSG(failed, "%s: %s without a failed allocation", call->what,
			  strerror(error));
		CHECK_MSG(error == ENOMEM || error == call->may_fail_with,
			  "%s, allocation %u: %s", call->what, nth, strerror(error));
		call->same();
	}
	room(&after);
	CHECK_MSG(before.f_bfree == after.f_bfree && before.f_ffree == after.f_ffree,
		  "%s, allocation %u: %ld pages and %ld regions stay", call->what, nth,
		  (long)(before.f_bfree - after.f_bfree), (long)(before.f_ffree - after.f_ffree));
	if (call->pool)
		CHECK_MSG(pool_has("free") == is_free && pool_has("resv") == reserved,
			  "%s, allocation %u: huge pages free %+ld, reserved %+ld", call->what,
			  nth, pool_has("free") - is_free, pool_has("resv") - reserved);
	return ret == 0;
}

static void try_call(const struct call *call)
{
	unsigned int most, nth, i, refused = 0, repeats = call->repeats ?: REPEATS;
	struct level before;

	for (most = 1; most < MOST; most++) {
		bool made = try_nth(call, most);

		if (made && !failed)
			break;
		refused += !made;
	}
	CHECK_MSG(most < MOST, "%s does not end", call->what);
	test_note("%s: %u allocations, %u of them needed", call->what, most - 1, refused);
	CHECK(refused >= (call->least ?: 1));
	if (opt_quick)
		return;
	level_read(&before);
	CHECK(before.slabs);
	for (i = 0; i < repeats; i++)
		for (nth = 1; nth < most; nth++)
			try_nth(call, nth);
	level_check(&before, SLAB_SLACK);
}

/* The calls */

static int made_file(void)
{
	int new = open(in_mnt("new"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (new == -1)
		return -1;
	close(new);
	return 0;
}

static void file_undone(void)
{
	CHECK_OK(unlink(in_mnt("new")));
}

static void no_new_file(void)
{
	/* Without a descriptor to give, the file can be there already: as with any file system. */
	if (unlink(in_mnt("new")))
		CHECK(errno == ENOENT);
}

static int made_directory(void)
{
	return mkdir(in_mnt("new"), 0700);
}

static void directory_undone(void)
{
	CHECK_OK(rmdir(in_mnt("new")));
}

static void no_new_directory(void)
{
	CHECK_ERR(rmdir(in_mnt("new")), ENOENT);
}

static int made_mount(void)
{
	return mount("msharefs", "/tmp/mshare-fail", "msharefs", 0, "size=1m");
}

static void mount_undone(void)
{
	CHECK_OK(umount("/tmp/mshare-fail"));
}

static void no_mount(void)
{
	CHECK_ERR(umount("/tmp/mshare-fail"), EINVAL);
}

static int made_remount(void)
{
	return mount(NULL, test_mnt, NULL, MS_REMOUNT, "size=32m,nr_regions=4,mode=0700");
}

static void remount_undone(void)
{
	CHECK_OK(mount(NULL, test_mnt, NULL, MS_REMOUNT, "size=64m,nr_regions=8,mode=0755"));
}

static void no_remount(void)
{
	struct statfs of_instance;
	struct stat st;

	room(&of_instance);
	CHECK(of_instance.f_blocks == 64 * MIB / PAGE && of_instance.f_files == 8);
	CHECK_OK(stat(test_mnt, &st));
	CHECK((st.st_mode & 07777) == 0755);
}

static void fill_old(void)
{
	int i;

	for (i = 0; i < 4; i++)
		fill(p + i * part, PIECE, 1 + i * PIECE / 8);
}

static void check_old(void)
{
	int i;

	for (i = 0; i < 4; i++)
		check_pattern(p + i * part, PIECE, 1 + i * PIECE / 8);
}

/* What was there is there; in more than one piece where a call came as far as to split it. */
static void only_the_old(void)
{
	struct fdinfo info;
	u64 end = 0;
	int i;

	fdinfo_read(fd, &info);
	for (i = 0; i < info.objects; i++) {
		CHECK_MSG(info.object[i].at == end, "a hole at %#llx", (unsigned long long)end);
		end += info.object[i].size;
	}
	CHECK_MSG(end == OLD, "objects end at %#llx", (unsigned long long)end);
	check_old();
}

static int made_anon(void)
{
	return object_add(fd, 8 * MIB, MIB);
}

static int made_file_object(void)
{
	return object_create(fd, 8 * MIB, MIB, RW, MAP_SHARED | MAP_FIXED, memory, 0);
}

static int made_huge(void)
{
	return object_create(fd, 8 * MIB, 2 * MIB, RW, ANON | MAP_HUGETLB, -1, 0);
}

static void object_undone(void)
{
	CHECK_OK(object_del(fd, 8 * MIB, 2 * MIB));
	only_the_old();
}

/* An object of the kind that is there before. */
static int same_kind(u64 at, u64 size)
{
	if (old_file != -1)
		return object_map(fd, at, size, RW, old_file, 0);
	return object_create(fd, at, size, RW, huge ? ANON | MAP_HUGETLB : ANON, -1, 0);
}

static void whole_again(void)
{
	CHECK_OK(same_kind(0, OLD));
	if (old_file == -1)
		fill_old();	/* a file keeps its own */
	only_the_old();
}

/* After a failure: it may have been split, and the next try is to do that again. */
static void in_one_piece(void)
{
	only_the_old();
	whole_again();
}

/* Takes the middle out, which splits an object in two. */
static int made_hole(void)
{
	return object_del(fd, part, part);
}

static int made_replacement(void)
{
	return same_kind(part, part);
}

#define PROMISE	(16 * HUGE)	/* where it is in the region */

/*
 * Nobody has touched them: there is a reservation, and no page. It has holes already: for the first
 * ones the kernel may have in store what it needs.
 */
static void fresh_promise(void)
{
	u64 i;

	CHECK_OK(object_create(fd, PROMISE, 9 * HUGE, RW, ANON | MAP_HUGETLB, -1, 0));
	for (i = 1; i < 6; i += 2)
		CHECK_OK(object_del(fd, PROMISE + i * HUGE, HUGE));
}

static int made_hole_in_promise(void)
{
	return object_del(fd, PROMISE + 7 * HUGE, HUGE);
}

static void check_promise(long reserved)
{
	CHECK_MSG(pool_has("resv") == reserved, "%ld huge pages are reserved, not %ld",
		  pool_has("resv"), reserved);
	CHECK_OK(object_del(fd, PROMISE, 9 * HUGE));
	only_the_old();
}

static void promise_in_part(void)
{
	check_promise(5);
}

static void whole_promise(void)
{
	check_promise(6);
}

static int made_mapping(void)
{
	char *other = mmap(NULL, granule(), RW, MAP_SHARED, fd, 0);

	if (other == MAP_FAILED)
		return -1;
	end_failure();
	CHECK_OK(munmap(other, granule()));
	return 0;
}

static void nothing(void)
{
}

/* A region that nobody has touched, nor anything beside its mapping. */
static void fresh_region(unsigned int flags, int objfd)
{
	fresh = region_new("fresh", 1);
	CHECK_OK(object_create(fresh, 0, HUGE, RW, flags, objfd, 0));
	q = mmap(FAR, granule(), RW, MAP_SHARED | MAP_FIXED, fresh, 0);
	CHECK(q == FAR);
}

static void fresh_anon(void)
{
	fresh_region(ANON, -1);
}

static void fresh_memfd(void)
{
	CHECK_OK(ftruncate(memory, 0));
	CHECK_OK(ftruncate(memory, HUGE));
	fresh_region(FILE_FLAGS, memory);
}

static void fresh_huge(void)
{
	fresh_region(ANON | MAP_HUGETLB, -1);
}

/* Whether it is in memory, or in swap with a copy in memory. */
static bool in_memory(void)
{
	unsigned char page[TOUCHED / PAGE];
	bool any = false;
	size_t i;

	CHECK_OK(mincore(q, TOUCHED, page));
	for (i = 0; i < ARRAY_SIZE(page); i++)
		any |= page[i] & 1;
	return any;
}

static void fresh_in_swap(void)
{
	int tries;

	fresh_region(ANON, -1);
	fill(q, TOUCHED, 1);
	for (tries = 0; in_memory(); tries++) {
		CHECK(tries < 500);
		CHECK_OK(madvise(q, TOUCHED, MADV_PAGEOUT));
		if (!press_group(in_group("fail", ""), "16K"))
			test_skip("no memory.reclaim");
		usleep(1000);
	}
	/* Without the tables of the process. */
	CHECK_OK(munmap(q, granule()));
	CHECK(mmap(FAR, granule(), RW, MAP_SHARED | MAP_FIXED, fresh, 0) == q);
}

/* A fault by a system call, which says what became of it. */
static int made_touch(void)
{
	return madvise(q, TOUCHED, MADV_POPULATE_WRITE);
}

static void fresh_gone(void)
{
	CHECK_OK(munmap(q, granule()));
	CHECK_OK(close(fresh));
	CHECK_OK(unlink(in_mnt("fresh")));
}

/* Also where it failed before. */
static void touched_zeros(void)
{
	CHECK_OK(made_touch());
	check_zero(q, TOUCHED);
	fresh_gone();
}

static void touched_pattern(void)
{
	CHECK_OK(made_touch());
	check_pattern(q, TOUCHED, 1);
	fresh_gone();
}

static void check_and_exit(void)
{
	check_old();
	_exit(KSFT_PASS);
}

static int made_child(void)
{
	pid_t pid = fork();

	if (pid == -1)
		return -1;
	if (!pid)
		check_and_exit();
	end_failure();
	join_ok(pid);
	return 0;
}

static const struct call calls[] = {
	{ "open with O_CREAT", made_file, file_undone, no_new_file, .may_fail_with = ENFILE },
	{ "mkdir", made_directory, directory_undone, no_new_directory },
	{ "mount", made_mount, mount_undone, no_mount },
	{ "remount", made_remount, remount_undone, no_remount },
	{ "CREATE_MAPPING of anonymous memory", made_anon, object_undone, only_the_old },
	{ "CREATE_MAPPING of a memfd", made_file_object, object_undone, only_the_old },
	{ "CREATE_MAPPING of huge pages", made_huge, object_undone, only_the_old,
	  .pool = 4 },
	{ "CREATE_MAPPING over a part", made_replacement, whole_again, in_one_piece },
	{ "UNMAP of a part", made_hole, whole_again, in_one_piece },
	{ "mmap", made_mapping, nothing, only_the_old },
	{ "CREATE_MAPPING over a part of a memfd", made_replacement, whole_again, in_one_piece,
	  .file = &memfd },
	{ "UNMAP of a part of a memfd", made_hole, whole_again, in_one_piece, .file = &memfd },
	{ "CREATE_MAPPING over a part of a file on a disk", made_replacement, whole_again,
	  in_one_piece, .file = &disk },
	{ "UNMAP of a part of a file on a disk", made_hole, whole_again, in_one_piece,
	  .file = &disk },
	/* All of it is there twice for a moment, and zeroed, which takes time. */
	{ "CREATE_MAPPING over a part of huge pages", made_replacement, whole_again, in_one_piece,
	  .repeats = 30, .pool = 8, .huge = true },
	{ "UNMAP of a part of huge pages", made_hole, whole_again, in_one_piece,
	  .repeats = 30, .pool = 8, .huge = true },
	{ "UNMAP of a part of huge pages that are only reserved", made_hole_in_promise,
	  promise_in_part, whole_promise, fresh_promise, .pool = 9 },
};

/* Those of PUD entries, one of the process and one of the region; those of PMD and PTE entries. */
#define TABLES	4

static const struct call faults_of[] = {
	{ "a fault", made_touch, touched_zeros, touched_zeros, fresh_anon,
	  .may_fail_with = EFAULT, .least = 1 + TABLES },
	{ "a fault in a memfd", made_touch, touched_zeros, touched_zeros, fresh_memfd,
	  .may_fail_with = EFAULT, .least = 1 + TABLES },
	/* The page is there, and no table is below the one that it is in. */
	{ "a fault in a huge page", made_touch, touched_zeros, touched_zeros, fresh_huge,
	  .may_fail_with = EFAULT, .least = TABLES - 1, .repeats = 100, .pool = 4 },
	/* The region's tables are there, and for the page the kernel tries twice. */
	{ "a fault that reads from swap", made_touch, touched_pattern, touched_pattern,
	  fresh_in_swap, .may_fail_with = EFAULT, .repeats = 100 },
};

static const struct call child = {
	"fork", made_child, nothing, only_the_old, .may_fail_with = EAGAIN
};

static void prepare(const struct call *call)
{
	allow_failures();
	nth_file = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	CHECK_OK(nth_file);
	mkdir("/tmp/mshare-fail", 0700);
	memory = memfd_create("object", MFD_CLOEXEC);
	CHECK_OK(memory);
	CHECK_OK(ftruncate(memory, MIB));
	if (call->pool)
		need_pool(call->pool);
	huge = call->huge;
	if (huge)
		part = HUGE;
	if (call->file)
		old_file = pattern_file(*call->file, OLD / PAGE);
	fd = region_new("a", 1);
	p = region_map(fd, RW);
	whole_again();
}

static void every_call(void)
{
	const struct call *call = test_arg;

	prepare(call);
	try_call(call);
	only_the_old();
}

/* The region is charged to a group of its own, which can be asked for its memory alone. */
static void every_fault_of_swap(void)
{
	const struct call *call = test_arg;
	u64 before;

	need_swap(16 * MIB);
	need_groups();
	prepare(call);
	group_new("fail");
	enter_group(in_group("fail", ""));
	before = vm_stat("pswpin");
	try_call(call);
	CHECK(vm_stat("pswpin") > before);
	enter_group(GROUPS);
	group_remove("fail");
	drop_groups();
}

#define LIMITS	"size=64m,nr_regions=8,mode=0755"

static const struct test_case cases[] = {
	{ "open with O_CREAT", every_call, &calls[0], LIMITS, .slow = 4 },
	{ "mkdir", every_call, &calls[1], LIMITS, .slow = 4 },
	{ "mount", every_call, &calls[2], LIMITS, .slow = 4 },
	{ "remount", every_call, &calls[3], LIMITS, .slow = 4 },
	{ "CREATE_MAPPING of anonymous memory", every_call, &calls[4], LIMITS, .slow = 4 },
	{ "CREATE_MAPPING of a memfd", every_call, &calls[5], LIMITS, .slow = 4 },
	{ "CREATE_MAPPING of huge pages", every_call, &calls[6], LIMITS, .slow = 4 },
	{ "CREATE_MAPPING over a part", every_call, &calls[7], LIMITS, .slow = 8 },
	{ "UNMAP of a part", every_call, &calls[8], LIMITS, .slow = 8 },
	{ "mmap", every_call, &calls[9], LIMITS, .slow = 4 },
	{ "CREATE_MAPPING over a part of a memfd", every_call, &calls[10], LIMITS, .slow = 8 },
	{ "UNMAP of a part of a memfd", every_call, &calls[11], LIMITS, .slow = 8 },
	{ "CREATE_MAPPING over a part of a file on a disk", every_call, &calls[12], LIMITS,
	  .slow = 8 },
	{ "UNMAP of a part of a file on a disk", every_call, &calls[13], LIMITS, .slow = 8 },
	{ "CREATE_MAPPING over a part of huge pages", every_call, &calls[14], LIMITS, .slow = 8 },
	{ "UNMAP of a part of huge pages", every_call, &calls[15], LIMITS, .slow = 8 },
	{ "UNMAP of a part of huge pages that are only reserved", every_call, &calls[16], LIMITS,
	  .slow = 4 },
	{ "a fault, also for the first tables of a process and a region", every_call,
	  &faults_of[0], LIMITS, .slow = 8 },
	{ "a fault in a memfd", every_call, &faults_of[1], LIMITS, .slow = 8 },
	{ "a fault in a huge page", every_call, &faults_of[2], LIMITS, .slow = 8 },
	{ "a fault that reads from swap", every_fault_of_swap, &faults_of[3], LIMITS, .slow = 8 },
	{ "fork", every_call, &child, LIMITS, .slow = 8 },
};

/*
 * To a thread that was preempted the kernel writes where it is now, into an area that glibc has
 * registered (rseq), and kills it when the copy of that page, after a fork, fails for want of
 * memory. So all of this is done again without such an area.
 */
static void without_rseq(char **argv)
{
	static const char tunable[] = "glibc.pthread.rseq=0";
	const char *have = getenv("GLIBC_TUNABLES");

	if (have && !strcmp(have, tunable))
		return;
	if (setenv("GLIBC_TUNABLES", tunable, 1) || execv("/proc/self/exe", argv))
		test_note("rseq can't be turned off: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	int result;

	without_rseq(argv);
	result = test_main(argc, argv, cases, ARRAY_SIZE(cases));

	remove_files();
	return result;
}
