// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel has in use; see level.h.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "level.h"
#include "region.h"

static bool interesting(const char *name)
{
	static const char * const part[] = {
		"kmalloc", "mm_struct", "vm_area", "vma_lock", "inode_cache", "filp", "dentry",
		"anon_vma", "maple_node", "task_struct", "mshare", "signal_cache", "pid",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(part); i++)
		if (strstr(name, part[i]))
			return true;
	return false;
}

/* A slab cache. Its files are opened once: their own dentries are the same in each reading. */
struct cache {
	char name[64];
	int shrink, objects;
	long in_slab;
};

struct caches {
	struct cache cache[LEVEL_SLABS];
	size_t count;
};

static int cache_file(const char *cache, const char *name, int flags)
{
	char path[384];

	snprintf(path, sizeof(path), "/sys/kernel/slab/%s/%s", cache, name);
	return open(path, flags | O_CLOEXEC);
}

/* The first number of a file that is open. */
static long first_number(int fd)
{
	char text[64] = "";

	CHECK(pread(fd, text, sizeof(text) - 1, 0) > 0);
	return atol(text);
}

static const struct caches *caches(void)
{
	static struct caches all;
	struct dirent *entry;
	DIR *dir;

	if (all.count)
		return &all;
	dir = opendir("/sys/kernel/slab");
	while (dir && all.count < ARRAY_SIZE(all.cache) && (entry = readdir(dir))) {
		struct cache *cache = &all.cache[all.count];
		size_t length = strlen(entry->d_name);
		int in_slab;

		if (!interesting(entry->d_name) || length >= sizeof(cache->name))
			continue;
		memcpy(cache->name, entry->d_name, length + 1);
		cache->shrink = cache_file(cache->name, "shrink", O_WRONLY);
		cache->objects = cache_file(cache->name, "objects", O_RDONLY);
		in_slab = cache_file(cache->name, "objs_per_slab", O_RDONLY);
		if (cache->shrink == -1 || cache->objects == -1 || in_slab == -1) {
			test_note("slab cache %s can't be counted", cache->name);
			continue;
		}
		cache->in_slab = first_number(in_slab);
		close(in_slab);
		all.count++;
	}
	if (dir)
		closedir(dir);
	return &all;
}

/*
 * What no object needs is freed. Twice: an entry that was used since the last
 * pass is spared by the first.
 */
static void settle(void)
{
	size_t pass;

	sync();
	usleep(300000);		/* RCU and deferred frees */
	for (pass = 0; pass < 2; pass++)
		file_write("/proc/sys/vm/drop_caches", "3\n");
}

/*
 * Slabs that a CPU keeps to itself count as full, and there can be a dozen of
 * them that are almost empty. Shrinking a cache takes them from the CPUs; it is
 * counted at once, so that at most a slab or two have come back to a CPU.
 */
static void read_slabs(struct level *level)
{
	const struct caches *all = caches();
	size_t i;

	level->slabs = all->count;
	for (i = 0; i < all->count; i++) {
		const struct cache *cache = &all->cache[i];

		if (write(cache->shrink, "1", 1) != 1)
			test_note("slab cache %s was not shrunk", cache->name);
		level->objects[i] = first_number(cache->objects);
	}
}

void level_read(struct level *level)
{
	settle();
	level->tables = mem_kib("PageTables");
	level->shmem = mem_kib("Shmem");
	level->committed = mem_kib("Committed_AS");
	level->swap = mem_kib("SwapTotal") - mem_kib("SwapFree");
	level->huge = mem_kib("HugePages_Total") - mem_kib("HugePages_Free");
	level->huge_reserved = mem_kib("HugePages_Rsvd");
	read_slabs(level);
}

static bool same_level(const struct level *before, const struct level *after, long slab_slack,
		       bool tell)
{
	/* What a CPU has taken of the swap space for its next pages, or is about to give back. */
	long cpus = sysconf(_SC_NPROCESSORS_ONLN), swap_slack = 2 * 64 * (PAGE / KIB) * cpus;
	const struct caches *all = caches();
	bool same = true;
	size_t i;

	/*
	 * A page that is lost in each round is more than this. The root of a
	 * guest is Shmem, too: pages of our programs come back from swap, or go.
	 */
	if (after->tables - before->tables > 16 || after->shmem - before->shmem > 128 ||
	    after->committed - before->committed > 2048 ||
	    after->swap - before->swap > swap_slack ||
	    after->huge > before->huge || after->huge_reserved > before->huge_reserved)
		same = false;
	for (i = 0; i < after->slabs; i++) {
		long more = after->objects[i] - before->objects[i];

		/* The free ones of the slab that a CPU has count, too. */
		if (more <= slab_slack + all->cache[i].in_slab * cpus)
			continue;
		if (tell)
			test_note("slab %s: %ld objects more", all->cache[i].name, more);
		same = false;
	}
	if (tell) {
		test_note("PageTables %+ld KiB, Shmem %+ld KiB, Committed_AS %+ld KiB",
			  after->tables - before->tables, after->shmem - before->shmem,
			  after->committed - before->committed);
		test_note("swap %+ld KiB", after->swap - before->swap);
		test_note("huge pages %+ld, reserved %+ld; %zu slabs", after->huge - before->huge,
			  after->huge_reserved - before->huge_reserved, after->slabs);
	}
	return same;
}

void level_check(const struct level *before, long slab_slack)
{
	struct level after;
	int tries;

	for (tries = 0; tries < 5; tries++) {
		level_read(&after);
		if (same_level(before, &after, slab_slack, tries == 4))
			return;
	}
	test_fail(__FILE__, __LINE__, "something stays");
}
