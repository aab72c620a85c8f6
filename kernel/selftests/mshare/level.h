/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel has in use: page tables, shared memory, objects of slab caches.
 */
#ifndef MSHARE_LEVEL_H
#define MSHARE_LEVEL_H

#include <stddef.h>

#define LEVEL_SLABS	96

struct level {
	long tables, shmem, committed, swap, huge, huge_reserved;
	long objects[LEVEL_SLABS];	/* of each slab cache that is looked at */
	size_t slabs;			/* 0: there is no /sys/kernel/slab */
};

/* After what nobody needs was freed. */
void level_read(struct level *level);

/*
 * Nothing of it grew since then, or the case fails. Objects of a slab cache may come and go by
 * themselves: so many more of one cache are no leak.
 */
void level_check(const struct level *before, long slab_slack);

#endif /* MSHARE_LEVEL_H */
