// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation that a call makes fails once: the first, the second, and so on, until the call
 * makes no more. Each time it must say so, change nothing, and work when it is made again. Then all
 * of it again and again, and nothing may be left over.
 *
 * Needs a kernel with failslab and fail_page_alloc (CONFIG_FAULT_INJECTION_DEBUG_FS).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "level.h"
#include "region.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE	23
#endif

#define DEBUGFS		"/sys/kernel/debug"
#define FAIL_NTH	"/proc/thread-self/fail-nth"
#define MOST		2000	/* allocations of one call: more is a mistake of the test */

/* What a failure leaves each time is more than caches grow by themselves after so many. */
#define REPEATS		200
#define SLAB_SLACK	24

#define OLD		(64 * PAGE)	/* what is there before */
#define PART		(16 * PAGE)	/* of it, and where it is */

/* Allocations that may wait fail, too, and nothing of it is in the log. */
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
	if (mount("debugfs", DEBUGFS, "debugfs", 0, NULL) && errno != EBUSY)
		test_skip("no debugfs");
	for (i = 0; i < ARRAY_SIZE(kind); i++) {
		for (j = 0; j < ARRAY_SIZE(set); j++) {
			snprintf(path, sizeof(path), DEBUGFS "/%s/%s", kind[i], set[j].name);
			test_set(path, set[j].value);
		}
	}
	snprintf(path, sizeof(path), DEBUGFS "/fail_page_alloc/min-order");
	test_set(path, "0");
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
 * A call to try: made() does it and returns 0 or -1 with errno, after end_failure() where there is
 * more to do than the call; undone() takes back what it did; same() checks that nothing is there
 * after a failure.
 */
struct call {
	const char *what;
	int (*made)(void);
	void (*undone)(void);
	void (*same)(void);
	int may_fail_with;	/* beside ENOMEM */
};

static int fd, memory;
static char *p;

/* What the instance has left: bytes in pages, and regions. */
static void room(struct statfs *st)
{
	CHECK_OK(statfs(test_mnt, st));
}

/* Whether the call worked, though an allocation may have failed: some are not needed. */
static bool try_nth(const struct call *call, unsigned int nth)
{
	struct statfs before, after;
	int ret, error;

	room(&before);
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
	return ret == 0;
}

static void try_call(const struct call *call)
{
	unsigned int most, nth, i, refused = 0;
	struct level before;

	for (most = 1; most < MOST; most++) {
		bool made = try_nth(call, most);

		if (made && !failed)
			break;
		refused += !made;
	}
	CHECK_MSG(most < MOST, "%s does not end", call->what);
	test_note("%s: %u allocations, %u of them needed", call->what, most - 1, refused);
	CHECK(refused);
	if (opt_quick)
		return;
	level_read(&before);
	CHECK(before.slabs);
	for (i = 0; i < REPEATS; i++)
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
	check_pattern(p, OLD, 1);
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

static void whole_again(void)
{
	CHECK_OK(object_add(fd, 0, OLD));
	fill(p, OLD, 1);
	only_the_old();
}

/* Takes the middle out, which splits an object in two. */
static int made_hole(void)
{
	return object_del(fd, PART, PART);
}

static int made_replacement(void)
{
	return object_add(fd, PART, PART);
}

static int made_mapping(void)
{
	char *q = mmap(NULL, granule(), RW, MAP_SHARED, fd, 0);

	if (q == MAP_FAILED)
		return -1;
	end_failure();
	CHECK_OK(munmap(q, granule()));
	return 0;
}

static void nothing(void)
{
}

/* A fault by a system call, which says what became of it; each in new page tables. */
static int made_touch(void)
{
	char *q;
	int ret, error;

	q = mmap(NULL, granule(), RW, MAP_SHARED, fd, 0);
	if (q == MAP_FAILED)
		return -1;
	ret = madvise(q + 6 * MIB, 64 * KIB, MADV_POPULATE_WRITE);
	end_failure();
	error = errno;
	CHECK_OK(munmap(q, granule()));
	errno = error;
	return ret;
}

static void touch_undone(void)
{
	CHECK_OK(object_del(fd, 6 * MIB, MIB));
	CHECK_OK(object_add(fd, 6 * MIB, MIB));
}

static void check_and_exit(void)
{
	check_pattern(p, OLD, 1);
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
	{ "CREATE_MAPPING of anonymous memory", made_anon, object_undone, only_the_old,
	  .may_fail_with = ENOSPC },
	{ "CREATE_MAPPING of a memfd", made_file_object, object_undone, only_the_old },
	{ "CREATE_MAPPING of huge pages", made_huge, object_undone, only_the_old,
	  .may_fail_with = ENOSPC },
	{ "CREATE_MAPPING over a part", made_replacement, whole_again, only_the_old,
	  .may_fail_with = ENOSPC },
	{ "UNMAP of a part", made_hole, whole_again, only_the_old },
	{ "mmap", made_mapping, nothing, only_the_old },
};

static const struct call touch = {
	"a fault", made_touch, touch_undone, touch_undone, .may_fail_with = EFAULT
};

static const struct call child = {
	"fork", made_child, nothing, only_the_old, .may_fail_with = EAGAIN
};

static void prepare(void)
{
	allow_failures();
	nth_file = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	CHECK_OK(nth_file);
	mkdir("/tmp/mshare-fail", 0700);
	memory = memfd_create("object", MFD_CLOEXEC);
	CHECK_OK(memory);
	CHECK_OK(ftruncate(memory, MIB));
	p = simple_region("a", OLD, &fd);
	fill(p, OLD, 1);
}

static void every_call(void)
{
	const struct call *call = test_arg;

	prepare();
	if (call->made == made_huge)
		test_set("/proc/sys/vm/nr_hugepages", "4");
	try_call(call);
	only_the_old();
}

static void every_fault(void)
{
	prepare();
	CHECK_OK(object_add(fd, 6 * MIB, MIB));
	try_call(&touch);
	CHECK_OK(object_del(fd, 6 * MIB, MIB));
	only_the_old();
}

static void every_fork(void)
{
	prepare();
	try_call(&child);
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
	{ "a fault", every_fault, NULL, LIMITS, .slow = 4 },
	{ "fork", every_fork, NULL, LIMITS, .slow = 8 },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
