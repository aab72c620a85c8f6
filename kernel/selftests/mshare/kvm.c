// SPDX-License-Identifier: GPL-2.0
/*
 * Other users of a process's page tables: a KVM guest follows them by MMU notifiers, which the
 * changes in a region's own mm do not reach. A process has one or the other.
 *
 * Needs a working /dev/kvm; nested virtualisation by emulation (QEMU's -cpu max) will do.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "region.h"

static int kvm_open(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm == -1)
		test_skip("there is no /dev/kvm");
	CHECK(ioctl(kvm, KVM_GET_API_VERSION, 0) == KVM_API_VERSION);
	return kvm;
}

static int vm_create(int kvm)
{
	return ioctl(kvm, KVM_CREATE_VM, 0);
}

static void no_vm_beside_region(void)
{
	int kvm = kvm_open(), fd, vm;
	char *p = simple_region("a", MIB, &fd);

	put(p, 1);
	CHECK_ERR(vm_create(kvm), EBUSY);
	CHECK(get(p) == 1);
	/* Without the mapping it can; an open region does not matter. */
	CHECK_OK(munmap(p, granule()));
	vm = vm_create(kvm);
	CHECK_OK(vm);
}

static void no_region_beside_vm(void)
{
	int kvm = kvm_open(), fd = region_new("a", 1), vm;
	char *mine;

	CHECK_OK(object_add(fd, 0, MIB));
	vm = vm_create(kvm);
	CHECK_OK(vm);
	CHECK_ERR((long)mmap(NULL, granule(), RW, MAP_SHARED, fd, 0), EBUSY);
	/* What MAP_FIXED would have replaced is still there. */
	mine = free_range(granule());
	CHECK(mmap(mine, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == mine);
	*mine = 7;
	CHECK_ERR((long)mmap(mine, granule(), RW, MAP_SHARED | MAP_FIXED, fd, 0), EBUSY);
	CHECK(*mine == 7);
	/* Also after the VM has gone: KVM may not be the only one. */
	CHECK_OK(close(vm));
	CHECK_ERR((long)mmap(NULL, granule(), RW, MAP_SHARED, fd, 0), EBUSY);
}

static void map_in_child(void *arg)
{
	char *p = region_map(*(int *)arg, RW);

	put(p, 1);
	CHECK(get(p) == 1);
}

static void child_of_vm_owner(void)
{
	int kvm = kvm_open(), fd = region_new("a", 1), vm;

	CHECK_OK(object_add(fd, 0, MIB));
	vm = vm_create(kvm);
	CHECK_OK(vm);
	join_ok(spawn(map_in_child, &fd));
}

static void vm_in_child(void *arg)
{
	CHECK_ERR(vm_create(kvm_open()), EBUSY);
	CHECK_OK(munmap(arg, granule()));
	CHECK_OK(vm_create(kvm_open()));
}

static void child_of_client(void)
{
	int fd;
	char *p = simple_region("a", MIB, &fd);

	close(kvm_open());
	join_ok(spawn(vm_in_child, p));
	put(p, 1);
}

/* The argument by which this program, executed anew, only maps the region of a descriptor. */
#define MAP_AGAIN	"map-again"

static void map_after_exec(void *arg)
{
	char fd[16];
	char *const again[] = { "/proc/self/exe", MAP_AGAIN, fd, NULL };

	CHECK_OK(vm_create(kvm_open()));
	CHECK_ERR((long)mmap(NULL, granule(), RW, MAP_SHARED, *(int *)arg, 0), EBUSY);
	snprintf(fd, sizeof(fd), "%d", *(int *)arg);
	execv(again[0], again);
}

static int map_again(int fd)
{
	struct stat st;
	char *p;

	if (fstat(fd, &st))
		return KSFT_FAIL;
	p = mmap(NULL, st.st_size, RW, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return KSFT_FAIL;
	*p = 7;
	return KSFT_PASS;
}

static void after_exec(void)
{
	int fd = region_new("a", 1);

	CHECK_OK(object_add(fd, 0, MIB));
	CHECK_OK(fcntl(fd, F_SETFD, 0));
	close(kvm_open());
	join_ok(spawn(map_after_exec, &fd));
	CHECK(get(region_map(fd, RW)) == 7);
}

static const struct test_case cases[] = {
	{ "no KVM guest in a process that maps a region: EBUSY", no_vm_beside_region },
	{ "no mapping of a region in a process with a KVM guest: EBUSY", no_region_beside_vm },
	{ "the child of a process with a KVM guest maps a region", child_of_vm_owner },
	{ "the child of a process that maps a region, too: EBUSY", child_of_client },
	{ "a process that had a KVM guest maps a region after exec", after_exec },
};

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], MAP_AGAIN))
		return map_again(atoi(argv[2]));
	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
