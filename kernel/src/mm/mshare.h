/* SPDX-License-Identifier: GPL-2.0 */
/* What the two halves of msharefs share: the regions, and the file system. */
#ifndef __MM_MSHARE_H
#define __MM_MSHARE_H

#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/mm_types.h>
#include <linux/mshare.h>
#include <linux/msharefs.h>

struct mem_cgroup;
struct seq_file;

/*
 * A client's page tables end at a PUD entry that points to the host's PMD page.
 * Below it is everything that can be a leaf or go away while the region lives:
 * PMD-sized pages and PTE pages.
 */
#define MSHARE_GRANULARITY	PUD_SIZE

/* Where regions begin in their host mm; page 0 stays free, as everywhere. */
#define MSHARE_BASE		MSHARE_GRANULARITY

/* The largest region that any process could map, with a free granule each side. */
#define MSHARE_MAX_SIZE		(DEFAULT_MAP_WINDOW - 2 * MSHARE_GRANULARITY)

/**
 * struct mshare_region - a region's memory and page tables
 * @host: the mm that holds the objects' VMAs and the page tables
 * @memcg: the cgroup of the region's creator, with a reference; may be NULL
 * @clients: number of client VMAs
 * @size: length in bytes; 0 until it is set, and constant afterwards
 */
struct mshare_region {
	struct mm_struct *host;
	struct mem_cgroup *memcg;
	atomic_long_t clients;
	unsigned long size;
};

/*
 * Accounting of the pages that objects may map, by file system instance. The
 * callee returns -ENOSPC past the limit; a negative number gives back.
 */
int msharefs_charge(struct inode *inode, long pages);

struct mshare_region *mshare_region_of(struct inode *inode);

int mshare_region_init(struct mshare_region *region);
long mshare_region_destroy(struct mshare_region *region);
int mshare_region_set_size(struct mshare_region *region, u64 size);

/* What is allocated until mshare_charge_end() is charged to the region's creator. */
struct mshare_charge mshare_charge_start(struct mshare_region *region);

int mshare_region_map(struct inode *inode, const struct mshare_create *args);
int mshare_region_unmap(struct inode *inode, const struct mshare_unmap *args);
void mshare_region_show(struct seq_file *m, struct mshare_region *region);
int mshare_region_sync(struct mshare_region *region, loff_t start, loff_t end,
		       int datasync);
long mshare_objects_pages(struct mm_struct *host, unsigned long start,
			  unsigned long end);

int mshare_client_mmap(struct file *file, struct vm_area_struct *vma);
unsigned long mshare_client_area(struct file *file, unsigned long addr,
				 unsigned long len, unsigned long pgoff,
				 unsigned long flags);

#endif /* __MM_MSHARE_H */
