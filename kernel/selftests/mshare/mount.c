// SPDX-License-Identifier: GPL-2.0
/*
 * Mounts of msharefs: options, limits, instances, and who may.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "region.h"

#define SECOND	"/tmp/mshare-selftest-2"

static int mount_second(const char *options)
{
	CHECK(!mkdir(SECOND, 0700) || errno == EEXIST);
	return mount("msharefs", SECOND, "msharefs", 0, options);
}

/* The options that /proc/mounts shows for the instance at test_mnt. */
static void shown_options(char *text, size_t size)
{
	char line[1024], where[256], type[64], options[512];
	FILE *file = fopen("/proc/mounts", "r");
	bool found = false;

	CHECK(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*s %255s %63s %511s", where, type, options) != 3)
			continue;
		if (strcmp(where, test_mnt))
			continue;
		CHECK(!strcmp(type, "msharefs"));
		snprintf(text, size, ",%s,", options);
		found = true;
	}
	fclose(file);
	CHECK(found);
}

/* The text after ",KEY=" among the options, up to the next comma. */
static const char *shown(const char *key)
{
	static char options[600];
	char pattern[64];
	char *at;

	shown_options(options, sizeof(options));
	snprintf(pattern, sizeof(pattern), ",%s=", key);
	at = strstr(options, pattern);
	CHECK_MSG(at, "%s= is not in the options \"%s\"", key, options);
	at += strlen(pattern);
	*strchr(at, ',') = 0;
	return at;
}

/* A size as /proc/mounts may show it: bytes, or with k, m or g. */
static unsigned long long shown_size(void)
{
	unsigned long long value;
	char *end;

	value = strtoull(shown("size"), &end, 10);
	if (*end == 'k')
		value *= KIB;
	else if (*end == 'm')
		value *= MIB;
	else if (*end == 'g')
		value *= 1024 * MIB;
	return value;
}

static void nodev_type(void)
{
	char text[4096];

	file_read("/proc/filesystems", text, sizeof(text));
	CHECK(strstr(text, "nodev\tmsharefs\n"));
}

static void sysfs_mount_point(void)
{
	struct statfs fs;
	struct stat st;

	CHECK_OK(stat("/sys/fs/mshare", &st));
	CHECK(S_ISDIR(st.st_mode));
	CHECK_OK(mount("msharefs", "/sys/fs/mshare", "msharefs", 0, NULL));
	CHECK_OK(statfs("/sys/fs/mshare", &fs));
	CHECK(fs.f_type == MSHARE_MAGIC);
	CHECK_OK(umount("/sys/fs/mshare"));
}

static void magic(void)
{
	struct statfs fs;
	int fd = region_new("a", 1);

	CHECK_OK(statfs(test_mnt, &fs));
	CHECK_MSG(fs.f_type == MSHARE_MAGIC, "f_type %#lx", (long)fs.f_type);
	CHECK_OK(fstatfs(fd, &fs));
	CHECK(fs.f_type == MSHARE_MAGIC);
}

static void default_mode(void)
{
	struct stat st;

	CHECK_OK(stat(test_mnt, &st));
	CHECK_MSG(st.st_mode == (S_IFDIR | 01777), "mode %#o", st.st_mode);
	CHECK(st.st_uid == 0 && st.st_gid == 0);
	CHECK_MSG(strtoul(shown("mode"), NULL, 8) == 01777, "shown as %s", shown("mode"));
}

static void options_apply(void)
{
	struct stat st;

	CHECK_OK(stat(test_mnt, &st));
	CHECK_MSG(st.st_mode == (S_IFDIR | 0750), "mode %#o", st.st_mode);
	CHECK(st.st_uid == 12);
	CHECK(st.st_gid == 34);
}

static void options_shown(void)
{
	CHECK(strtoul(shown("mode"), NULL, 8) == 0750);
	CHECK(!strcmp(shown("uid"), "12"));
	CHECK(!strcmp(shown("gid"), "34"));
	CHECK(!strcmp(shown("nr_regions"), "5"));
	CHECK_MSG(shown_size() == 64 * MIB, "size is shown as %s", shown("size"));
}

static void bad_options(void)
{
	static const char * const bad[] = {
		"nonsense", "nonsense=1", "mode=9", "mode=rwx", "uid=root", "gid=-x", "size=much",
		"size=", "nr_regions=many", "nr_regions=-1", "huge=always",
		"size=1kk", "size=-1", "size=1x", "size=99999999999999999999999",
		"size=18446744073709551617", "size=9223372036854775807k", "size=16e",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		int ret = mount_second(bad[i]);

		CHECK_MSG(ret == -1 && errno == EINVAL, "option \"%s\": returned %d, %s", bad[i],
			  ret, strerror(errno));
	}
	CHECK_OK(mount_second("mode=0700,uid=0,gid=0,size=1m,nr_regions=1"));
	CHECK_OK(umount(SECOND));
	CHECK_OK(mount_second("size=7E"));
	CHECK_OK(umount(SECOND));
}

static void size_limit(void)
{
	int fd = region_new("a", 1);

	CHECK_OK(object_add(fd, 0, 8 * MIB));
	CHECK_ERR(object_add(fd, 16 * MIB, PAGE), ENOSPC);
	CHECK_OK(object_del(fd, 4 * MIB, PAGE));
	CHECK_OK(object_add(fd, 16 * MIB, PAGE));
	CHECK_ERR(object_add(fd, 32 * MIB, PAGE), ENOSPC);
	/* Also where there is not as much memory. */
	CHECK_ERR(object_add(region_new("b", 256), 0, 256 * granule()), ENOSPC);
}

static void size_limit_counts_all_regions(void)
{
	int a = region_new("a", 1), b = region_new("b", 1);

	CHECK_OK(object_add(a, 0, 5 * MIB));
	CHECK_ERR(object_add(b, 0, 5 * MIB), ENOSPC);
	CHECK_OK(object_add(b, 0, 3 * MIB));
	CHECK_OK(object_del(a, 0, 5 * MIB));
	CHECK_OK(object_add(b, 8 * MIB, 5 * MIB));
}

static void size_given_back(void)
{
	char *p;
	int fd;

	p = simple_region("a", 8 * MIB, &fd);
	CHECK_OK(unlink(in_mnt("a")));
	CHECK_OK(close(fd));
	fd = region_new("b", 1);
	CHECK_ERR(object_add(fd, 0, PAGE), ENOSPC);	/* the mapping keeps "a" */
	CHECK_OK(munmap(p, granule()));
	CHECK_OK(object_add(fd, 0, 8 * MIB));
}

static void size_of_replaced(void)
{
	int fd;
	char *p = simple_region("a", 8 * MIB, &fd);

	put(p, 1);
	CHECK_OK(object_add(fd, 0, 8 * MIB));
	CHECK(get(p) == 0);
	CHECK_OK(object_add(fd, 2 * MIB, 2 * MIB));
	put(p, 2);
	CHECK_ERR(object_add(fd, 4 * MIB, 8 * MIB), ENOSPC);
	CHECK(get(p) == 2);
	put(p + 8 * MIB - 1, 3);	/* what a refused object would have replaced is there */
}

static void nr_regions(void)
{
	int a = region_file("a"), b = region_file("b");

	CHECK_ERR(open(in_mnt("c"), O_RDWR | O_CREAT | O_EXCL, 0600), ENOSPC);
	CHECK_ERR(mkdir(in_mnt("c"), 0700), ENOSPC);
	CHECK_OK(unlink(in_mnt("a")));
	CHECK_OK(close(a));
	CHECK_OK(mkdir(in_mnt("c"), 0700));
	CHECK_ERR(mkdir(in_mnt("d"), 0700), ENOSPC);
	CHECK_OK(rmdir(in_mnt("c")));
	CHECK_OK(close(region_file("c")));
	/* A directory in the place of another one. */
	CHECK_OK(unlink(in_mnt("c")));
	CHECK_OK(mkdir(in_mnt("c"), 0700));
	CHECK_OK(unlink(in_mnt("b")));
	CHECK_OK(close(b));
	CHECK_OK(mkdir(in_mnt("d"), 0700));
	CHECK_OK(rename(in_mnt("c"), in_mnt("d")));
	b = region_file("b");
	CHECK_ERR(mkdir(in_mnt("c"), 0700), ENOSPC);
	CHECK_OK(close(b));
}

static void own_instances(void)
{
	struct stat a, b;

	CHECK_OK(mount_second(NULL));
	CHECK_OK(close(region_new("only-here", 1)));
	CHECK_ERR(access(SECOND "/only-here", F_OK), ENOENT);
	CHECK_OK(stat(test_mnt, &a));
	CHECK_OK(stat(SECOND, &b));
	CHECK(a.st_dev != b.st_dev);
	CHECK_OK(umount(SECOND));
	CHECK_OK(access(in_mnt("only-here"), F_OK));
}

static void bind_shares(void)
{
	int fd, other;
	char *p, *q;

	p = simple_region("a", MIB, &fd);
	CHECK(!mkdir(SECOND, 0700) || errno == EEXIST);
	CHECK_OK(mount(test_mnt, SECOND, NULL, MS_BIND, NULL));
	other = open(SECOND "/a", O_RDWR);
	CHECK_OK(other);
	q = region_map(other, RW);
	put(p, 7);
	CHECK(get(q) == 7);
	CHECK_ERR(umount(SECOND), EBUSY);
	CHECK_OK(munmap(q, granule()));
	CHECK_OK(close(other));
	CHECK_OK(umount(SECOND));
}

static void umount_busy_open(void)
{
	int fd = region_file("a");

	CHECK_ERR(umount(test_mnt), EBUSY);
	CHECK_OK(close(fd));
	CHECK_OK(umount(test_mnt));
	CHECK_OK(mount("msharefs", test_mnt, "msharefs", 0, NULL));
	CHECK_ERR(access(in_mnt("a"), F_OK), ENOENT);	/* that was another instance */
}

static void umount_busy_mapped(void)
{
	int fd;
	char *p = simple_region("a", MIB, &fd);

	CHECK_OK(close(fd));
	CHECK_ERR(umount(test_mnt), EBUSY);
	put(p, 1);
	CHECK_OK(munmap(p, granule()));
	CHECK_OK(umount(test_mnt));
	CHECK_OK(mount("msharefs", test_mnt, "msharefs", 0, NULL));
}

static void umount_frees_regions(void)
{
	long before = mem_kib("Shmem");
	char *p;
	int fd;

	p = simple_region("a", 16 * MIB, &fd);
	memset(p, 1, 16 * MIB);
	CHECK(mem_kib("Shmem") - before >= (long)(16 * KIB));
	CHECK_OK(munmap(p, granule()));
	CHECK_OK(close(fd));
	CHECK(mem_kib("Shmem") - before >= (long)(16 * KIB));	/* the name keeps it */
	CHECK_OK(umount(test_mnt));
	CHECK_MSG(mem_kib("Shmem") - before < 1024, "%ld KiB stay", mem_kib("Shmem") - before);
	CHECK_OK(mount("msharefs", test_mnt, "msharefs", 0, NULL));
}

static void user_namespace(void)
{
	CHECK(!mkdir(SECOND, 0777) || errno == EEXIST);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		test_skip("no user namespaces: %s", strerror(errno));
	/* A file system that may be mounted there shows that only msharefs is refused. */
	CHECK_OK(mount("tmpfs", SECOND, "tmpfs", 0, NULL));
	CHECK_OK(umount(SECOND));
	CHECK_ERR(mount("msharefs", SECOND, "msharefs", 0, NULL), EPERM);
}

static void unprivileged_mount(void)
{
	CHECK(!mkdir(SECOND, 0777) || errno == EEXIST);
	CHECK_OK(setresuid(1000, 1000, 1000));
	CHECK_ERR(mount("msharefs", SECOND, "msharefs", 0, NULL), EPERM);
}

static void remount_size(void)
{
	int fd = region_new("a", 1);

	CHECK_OK(object_add(fd, 0, 8 * MIB));
	CHECK_ERR(object_add(fd, 8 * MIB, 8 * MIB), ENOSPC);
	CHECK_OK(mount(NULL, test_mnt, NULL, MS_REMOUNT, "size=16m"));
	CHECK(shown_size() == 16 * MIB);
	CHECK_OK(object_add(fd, 8 * MIB, 8 * MIB));
	CHECK_ERR(mount(NULL, test_mnt, NULL, MS_REMOUNT, "nonsense=1"), EINVAL);
}

/* The other options, and limits below what is there. */
static void remount_all(void)
{
	struct stat st;
	int fd = region_new("a", 1);

	CHECK_OK(close(region_new("b", 1)));
	CHECK_OK(object_add(fd, 0, 8 * MIB));
	CHECK_ERR(mount(NULL, test_mnt, NULL, MS_REMOUNT, "size=4m,mode=0700"), EINVAL);
	CHECK_ERR(mount(NULL, test_mnt, NULL, MS_REMOUNT, "nr_regions=1,mode=0700"), EINVAL);
	CHECK(shown_size() == 64 * MIB);
	CHECK(strtol(shown("nr_regions"), NULL, 10) == 5);
	CHECK_OK(stat(test_mnt, &st));
	CHECK((st.st_mode & 07777) == 0755);
	CHECK_OK(mount(NULL, test_mnt, NULL, MS_REMOUNT,
		       "size=8m,nr_regions=2,mode=0711,uid=12,gid=34"));
	CHECK(shown_size() == 8 * MIB);
	CHECK(strtol(shown("nr_regions"), NULL, 10) == 2);
	CHECK_OK(stat(test_mnt, &st));
	CHECK((st.st_mode & 07777) == 0711 && st.st_uid == 12 && st.st_gid == 34);
	CHECK_ERR(object_add(fd, 8 * MIB, PAGE), ENOSPC);
	CHECK_ERR(open(in_mnt("c"), O_RDWR | O_CREAT | O_EXCL, 0600), ENOSPC);
	CHECK_OK(mount(NULL, test_mnt, NULL, MS_REMOUNT, "size=0,nr_regions=0"));
	CHECK_OK(object_add(fd, 8 * MIB, 128 * MIB));
	CHECK_OK(close(region_new("c", 1)));
}

static void user_in_namespace(void *arg)
{
	char *p;

	(void)arg;
	CHECK_OK(unshare(CLONE_NEWNS));
	CHECK_OK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	flag_raise(0);
	flag_await(1, 1);
	p = region_map(region_open("a", O_RDWR), RW);
	CHECK(get(p) == 7);
	put(p, 8);
	flag_raise(2);
	flag_await(3, 1);
	CHECK(get(p) == 9);
	put(p + MIB - 1, 10);
}

/* One instance, mounted in two namespaces: it stays until the last of them lets it go. */
static void two_namespaces(void)
{
	pid_t pid = spawn(user_in_namespace, NULL);
	char *p;
	int fd;

	flag_await(0, 1);
	p = simple_region("a", MIB, &fd);
	put(p, 7);
	flag_raise(1);
	flag_await(2, 1);
	CHECK(get(p) == 8);
	put(p, 9);
	CHECK_OK(munmap(p, granule()));
	CHECK_OK(close(fd));
	CHECK_OK(umount(test_mnt));
	CHECK_OK(mount("msharefs", test_mnt, "msharefs", 0, NULL));
	CHECK_ERR(access(in_mnt("a"), F_OK), ENOENT);
	flag_raise(3);
	join_ok(pid);
}

static void sticky_root(void)
{
	int fd;

	CHECK_OK(close(region_new("of-root", 1)));
	CHECK_OK(setresgid(1000, 1000, 1000));
	CHECK_OK(setresuid(1000, 1000, 1000));
	CHECK_ERR(unlink(in_mnt("of-root")), EPERM);
	CHECK_ERR(rename(in_mnt("of-root"), in_mnt("mine")), EPERM);
	CHECK_ERR(open(in_mnt("of-root"), O_RDONLY), EACCES);
	fd = region_new("of-user", 1);
	CHECK_OK(object_add(fd, 0, PAGE));
	put(region_map(fd, RW), 1);
	CHECK_OK(unlink(in_mnt("of-user")));
}

static void private_root(void)
{
	CHECK_OK(setresgid(1000, 1000, 1000));
	CHECK_OK(setresuid(1000, 1000, 1000));
	CHECK_ERR(open(in_mnt("a"), O_RDWR | O_CREAT | O_EXCL, 0600), EACCES);
	CHECK_ERR(access(in_mnt("mshare_info"), F_OK), EACCES);
}

static void directories(void)
{
	struct stat st;
	char *p;
	int fd;

	CHECK_OK(mkdir(in_mnt("dir"), 0700));
	CHECK_OK(mkdir(in_mnt("dir/sub"), 0755));
	CHECK_OK(stat(in_mnt("dir/sub"), &st));
	CHECK(S_ISDIR(st.st_mode));
	p = simple_region("dir/sub/a", MIB, &fd);
	put(p, 5);
	CHECK_ERR(rmdir(in_mnt("dir/sub")), ENOTEMPTY);
	CHECK_OK(rename(in_mnt("dir/sub/a"), in_mnt("b")));
	CHECK_OK(rmdir(in_mnt("dir/sub")));
	CHECK_OK(rmdir(in_mnt("dir")));
	CHECK(get(region_map(region_open("b", O_RDONLY), PROT_READ)) == 5);
}

static const struct test_case cases[] = {
	{ "the type is in /proc/filesystems, nodev", nodev_type },
	{ "the kernel made /sys/fs/mshare; msharefs mounts there", sysfs_mount_point },
	{ "statfs tells the magic", magic },
	{ "the root's mode is 1777 by default, and shown", default_mode },
	{ "mode=, uid= and gid= apply to the root", options_apply,
	  .mount_opts = "mode=0750,uid=12,gid=34" },
	{ "/proc/mounts shows the options", options_shown,
	  .mount_opts = "mode=0750,uid=12,gid=34,size=64m,nr_regions=5" },
	{ "unknown and malformed options: EINVAL", bad_options },
	{ "size=: ENOSPC past it, UNMAP gives back", size_limit, .mount_opts = "size=8m" },
	{ "size= counts all regions of the instance", size_limit_counts_all_regions,
	  .mount_opts = "size=8m" },
	{ "size= is given back when a region dies, not before", size_given_back,
	  .mount_opts = "size=8m" },
	{ "size= counts a replaced object no more; a refused one replaces nothing",
	  size_of_replaced, .mount_opts = "size=8m" },
	{ "nr_regions=: ENOSPC past it, unlink and rmdir give back", nr_regions,
	  .mount_opts = "nr_regions=2" },
	{ "each mount is an instance of its own", own_instances },
	{ "a bind mount shows the same instance", bind_shares },
	{ "umount with an open region: EBUSY", umount_busy_open },
	{ "umount with a mapped region: EBUSY", umount_busy_mapped },
	{ "umount frees the regions that only had names", umount_frees_regions },
	{ "mount in a user namespace: EPERM", user_namespace },
	{ "mount by a user: EPERM", unprivileged_mount },
	{ "remount raises size=", remount_size, .mount_opts = "size=8m" },
	{ "remount changes all options, and no limit to below what is in use", remount_all,
	  .mount_opts = "size=64m,nr_regions=5,mode=0755" },
	{ "an instance that two mount namespaces share", two_namespaces },
	{ "a user makes regions, and cannot delete another's", sticky_root },
	{ "mode=0700 shuts users out", private_root, .mount_opts = "mode=0700" },
	{ "directories, and rename between them", directories },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
