// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel has in use; see level.h.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
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

/* The files that shrink a cache, opened once: their own dentries are the same in each reading. */
struct shrinkers {
	int fd[512];
	size_t count;
};

static const struct shrinkers *shrinkers(void)
{
	static struct shrinkers all;
	struct dirent *entry;
	DIR *dir;

	if (all.count)
		return &all;
	dir = opendir("/sys/kernel/slab");
	while (dir && all.count < ARRAY_SIZE(all.fd) && (entry = readdir(dir))) {
		char path[384];
		int fd;

		snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink", entry->d_name);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd != -1)
			all.fd[all.count++] = fd;
	}
	if (dir)
		closedir(dir);
	return &all;
}

/*
 * What no object needs is freed, so that the numbers of /proc/slabinfo tell
 * what is in use. Twice: an entry that was used since the last pass is spared
 * by the first, and a cache counts a CPU's half-empty slab as full.
 */
static void settle(void)
{
	const struct shrinkers *all = shrinkers();
	size_t i, pass;

	sync();
	usleep(300000);		/* RCU and deferred frees */
	for (pass = 0; pass < 2; pass++) {
		file_write("/proc/sys/vm/drop_caches", "3\n");
		for (i = 0; i < all->count; i++)
			if (write(all->fd[i], "1", 1) != 1)
				test_note("a slab cache was not shrunk");
	}
}

static void read_slabs(struct level *level)
{
	FILE *file = fopen("/proc/slabinfo", "r");
	char line[512];

	level->slabs = 0;
	while (file && fgets(line, sizeof(line), file) && level->slabs < LEVEL_SLABS) {
		char name[64];
		long objects, in_slab;

		if (sscanf(line, "%63s %ld %*d %*d %ld", name, &objects, &in_slab) != 3 ||
		    !interesting(name))
			continue;
		memcpy(level->slab[level->slabs].name, name, sizeof(name));
		level->slab[level->slabs].objects = objects;
		level->slab[level->slabs++].of_cpus = in_slab * sysconf(_SC_NPROCESSORS_ONLN);
	}
	if (file)
		fclose(file);
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
	long swap_slack = 2 * 64 * (PAGE / KIB) * sysconf(_SC_NPROCESSORS_ONLN);
	bool same = true;
	size_t i, k;

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
		for (k = 0; k < before->slabs; k++) {
			long more = after->slab[i].objects - before->slab[k].objects;

			if (strcmp(after->slab[i].name, before->slab[k].name) ||
			    more <= slab_slack + after->slab[i].of_cpus)
				continue;
			if (tell)
				test_note("slab %s: %ld objects more", after->slab[i].name, more);
			same = false;
		}
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
