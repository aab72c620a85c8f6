// SPDX-License-Identifier: GPL-2.0
/*
 * Regions of shared memory whose page tables are shared, too.
 *
 * The objects of a region are mapped in an mm of its own, the host mm. It runs
 * no task. A process that maps the region gets one VMA, the client VMA, whose
 * page tables end at PUD entries that point to the host's PMD pages. They are
 * set by the first fault in each PUD's range. From there on what one process has
 * faulted in is mapped for all of them, and what changes in the host's tables
 * changes for all of them.
 *
 * Lifetime: a client VMA holds the region's file, so the host mm outlives all
 * clients. The host keeps its tables down to the PMD pages until then, so nobody
 * needs to know the clients to free one. PTE pages go when nothing is left in
 * them, as they do for khugepaged: after a flush of all TLBs, and by RCU.
 *
 * Locking: a client's mmap_lock or VMA lock, then the host's mmap_lock or VMA
 * lock. A VMA lock is only tried while another VMA lock is held. Who holds the
 * host's mmap_lock touches no user memory.
 *
 * TLBs: no CPU ever runs the host mm, so a flush of it is one of all CPUs:
 * clients that do not run now may have translations left in any of them, under
 * their PCIDs.
 */

#include <linux/fs.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mmu_notifier.h>
#include <linux/mshare.h>
#include <linux/perf_event.h>
#include <linux/psi.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/swap.h>

#include <asm/pgalloc.h>
#include <asm/tlb.h>
#include <asm/tlbflush.h>

#include "internal.h"
#include "mshare.h"

static_assert(MSHARE_BASE + MSHARE_MAX_SIZE <= DEFAULT_MAP_WINDOW);

/* Under each client's mmap_lock, which is of the same type. */
static struct lock_class_key mshare_host_lock_key;

static struct mshare_region *client_region(struct vm_area_struct *vma)
{
	return mshare_region_of(file_inode(vma->vm_file));
}

struct mm_struct *mshare_host_mm(struct vm_area_struct *vma)
{
	return client_region(vma)->host;
}

unsigned long mshare_host_address(struct vm_area_struct *vma,
				  unsigned long address)
{
	return address - vma->vm_start + (vma->vm_pgoff << PAGE_SHIFT) +
	       MSHARE_BASE;
}

/* TLBs */

/**
 * mshare_flush_host - flush what a region's clients may have in any TLB
 * @host: the region's mm; entries of its page tables were cleared before
 *
 * flush_tlb_mm_range() calls it for any range: a single page has as many CPUs.
 */
void mshare_flush_host(struct mm_struct *host)
{
	/*
	 * The entry was cleared before this reads the count, and a client is
	 * counted before it can walk the tables: one that is not seen here
	 * finds the entry cleared.
	 */
	smp_mb();
	if (atomic_long_read(&host->mshare_region->clients))
		flush_tlb_all();
}

/* Memory cgroups */

/* As much as a huge page: what a fault charges at most, but for readahead. */
#define RECLAIM_PAGES	PTRS_PER_PTE

#ifdef CONFIG_MEMCG
struct mem_cgroup *mshare_region_memcg(struct mshare_region *region)
{
	return region->memcg;
}

/* All that is allocated for a region is charged to its creator. */
struct mshare_charge mshare_charge_start(struct mshare_region *region)
{
	struct mem_cgroup *memcg = region->memcg;
	struct mshare_charge charge = { .old = set_active_memcg(memcg) };

	/* In place of one that was removed, swap and slabs charge its parent. */
	while (memcg && !mem_cgroup_online(memcg))
		memcg = parent_mem_cgroup(memcg);
	if (memcg) {
		charge.memcg = memcg;
		charge.used = page_counter_read(&memcg->memory);
	}
	return charge;
}

static void charge_stop(const struct mshare_charge *charge)
{
	set_active_memcg(charge->old);
}

/* Reclaim beyond memory.high; in pieces, as others may do the same meanwhile. */
static void reclaim_grown(struct mem_cgroup *memcg, unsigned long grown)
{
	unsigned long used, high, want, freed, pflags;

	memcg_memory_event(memcg, MEMCG_HIGH);
	psi_memstall_enter(&pflags);
	do {
		used = page_counter_read(&memcg->memory);
		high = READ_ONCE(memcg->memory.high);
		if (used <= high || fatal_signal_pending(current))
			break;
		want = min3(grown, used - high, (unsigned long)RECLAIM_PAGES);
		want = max_t(unsigned long, want, MEMCG_CHARGE_BATCH);
		freed = try_to_free_mem_cgroup_pages(memcg, want, GFP_KERNEL,
						     MEMCG_RECLAIM_MAY_SWAP,
						     NULL);
		grown -= min(grown, freed);
	} while (freed && grown);
	psi_memstall_leave(&pflags);
}

/*
 * Who charges a cgroup beyond its memory.high brings it back on the way to user
 * space, but only one that it is in. For others it is done here, after
 * charge_stop(), and without a lock on the host, for which others wait. @most
 * is what can have been charged.
 */
static void charge_reclaim(const struct mshare_charge *charge,
			   unsigned long most)
{
	unsigned long used, grown;
	struct mem_cgroup *memcg = charge->memcg;

	/*
	 * Most faults and calls charge nothing: to reclaim after each would scan
	 * in vain what could not be reclaimed before. As others charge and free
	 * at the same time, this is an estimate, and charges come in batches.
	 */
	if (!memcg)
		return;
	used = page_counter_read(&memcg->memory);
	if (used <= charge->used)
		return;
	grown = min(used - charge->used, most);

	/* Who dies need not wait: the next one who charges reclaims. */
	if (fatal_signal_pending(current) || (current->flags & PF_EXITING))
		return;

	do {
		if (current->mm && mm_match_cgroup(current->mm, memcg))
			return;
		if (page_counter_read(&memcg->memory) >
		    READ_ONCE(memcg->memory.high))
			reclaim_grown(memcg, grown);
	} while ((memcg = parent_mem_cgroup(memcg)));
}

static bool client_is_foreign(struct vm_area_struct *vma)
{
	struct mem_cgroup *memcg = client_region(vma)->memcg;

	return memcg && !mm_match_cgroup(vma->vm_mm, memcg);
}
#else
struct mshare_charge mshare_charge_start(struct mshare_region *region)
{
	return (struct mshare_charge) { };
}

static void charge_stop(const struct mshare_charge *charge)
{
}

static void charge_reclaim(const struct mshare_charge *charge,
			   unsigned long most)
{
}

static bool client_is_foreign(struct vm_area_struct *vma)
{
	return false;
}
#endif /* CONFIG_MEMCG */

struct mshare_charge mshare_charge_client(struct vm_area_struct *vma)
{
	return mshare_charge_start(client_region(vma));
}

void mshare_charge_end(struct mshare_charge charge)
{
	charge_stop(&charge);
	charge_reclaim(&charge, ULONG_MAX);
}

/* Clients: faults */

static void client_set_pud(struct mm_struct *mm, pud_t *pud, pud_t value)
{
	spinlock_t *ptl = pud_lock(mm, pud);

	set_pud(pud, value);
	spin_unlock(ptl);
}

/*
 * Point the client's PUD entry to the host's PMD page. The caller holds a lock
 * on the client VMA and one on the host VMA at @haddr.
 */
static int client_link(struct vm_area_struct *vma, pud_t *pud,
		       struct mm_struct *host, unsigned long haddr)
{
	pgdval_t flags = _PAGE_TABLE;
	p4d_t *hp4d;
	pud_t *hpud;

	if (pud_present(READ_ONCE(*pud)))
		return 0;

	hp4d = p4d_alloc(host, pgd_offset(host, haddr), haddr);
	if (!hp4d)
		return -ENOMEM;
	hpud = pud_alloc(host, hp4d, haddr);
	if (!hpud || !pmd_alloc(host, hpud, haddr))
		return -ENOMEM;

	/*
	 * The PTEs are as writable as the objects: this entry keeps a mapping
	 * that is not from writing through them.
	 */
	if (!(vma->vm_flags & VM_WRITE))
		flags &= ~_PAGE_RW;

	/* Two threads of the client may both do so: the value is the same. */
	client_set_pud(vma->vm_mm, pud,
		       __pud(__pa(pud_pgtable(*hpud)) | flags));
	return 0;
}

/* The client's entry for a granule; the tables above it are allocated. */
static pud_t *client_pud(struct mm_struct *mm, unsigned long address)
{
	p4d_t *p4d = p4d_alloc(mm, pgd_offset(mm, address), address);

	return p4d ? pud_alloc(mm, p4d, address) : NULL;
}

static bool access_permitted(const struct vm_area_struct *object,
			     unsigned int flags)
{
	if (flags & FAULT_FLAG_INSTRUCTION)
		return false;
	if (flags & FAULT_FLAG_WRITE)
		return object->vm_flags & VM_WRITE;
	return object->vm_flags & VM_READ;
}

/*
 * Link the client and let the host resolve the fault, in @object. The tables
 * down to the link are the process's own, all else is charged to the region,
 * which is in @charge then.
 */
static vm_fault_t fault_in_object(struct vm_area_struct *vma,
				  unsigned long address,
				  struct vm_area_struct *object,
				  unsigned long haddr, unsigned int flags,
				  struct mshare_charge *charge)
{
	int error = -ENOMEM;
	vm_fault_t ret;
	pud_t *pud;

	if (!access_permitted(object, flags))
		return VM_FAULT_SIGSEGV;

	/*
	 * Where a cgroup of version 1 is full and kills nobody, the task waits
	 * on its way out, as for a page.
	 */
	if (flags & FAULT_FLAG_USER)
		mem_cgroup_enter_user_fault();
	pud = client_pud(vma->vm_mm, address);
	if (pud) {
		*charge = mshare_charge_start(client_region(vma));
		error = client_link(vma, pud, object->vm_mm, haddr);
	}
	if (flags & FAULT_FLAG_USER)
		mem_cgroup_exit_user_fault();
	if (!pud)
		return VM_FAULT_OOM;

	if (error)
		ret = VM_FAULT_OOM;
	else
		/* No registers: the event they are for has the client's address. */
		ret = handle_mm_fault(object, haddr, flags, NULL);
	charge_stop(charge);

	/*
	 * The creator's cgroup is full and has nobody to kill. To try again
	 * helps only who is in it.
	 */
	if ((ret & VM_FAULT_OOM) && client_is_foreign(vma)) {
		ret = (ret & ~VM_FAULT_OOM) | VM_FAULT_SIGBUS;
		/* What was prepared for pagefault_out_of_memory(). */
		if (task_in_memcg_oom(current))
			mem_cgroup_oom_synchronize(false);
	}
	return ret;
}

static void release_client(struct vm_area_struct *vma, unsigned int flags)
{
	if (flags & FAULT_FLAG_VMA_LOCK)
		vma_end_read(vma);
	else
		mmap_read_unlock(vma->vm_mm);
}

/* The rules of handle_mm_fault() for locks hold for both mms. */
static vm_fault_t client_fault(struct vm_area_struct *vma,
			       unsigned long address, unsigned int flags)
{
	unsigned long haddr = mshare_host_address(vma, address);
	struct mm_struct *host = mshare_host_mm(vma);
	struct mshare_charge charge = { };
	struct vm_area_struct *object;
	vm_fault_t ret;

	/* Linked, a mapping without any access would be a readable one. */
	if (!vma_is_accessible(vma))
		return VM_FAULT_SIGSEGV;

	if (flags & FAULT_FLAG_VMA_LOCK) {
		object = lock_vma_under_rcu(host, haddr);
		if (!object) {
			vma_end_read(vma);
			return VM_FAULT_RETRY;
		}
		ret = fault_in_object(vma, address, object, haddr, flags,
				      &charge);
		if (!(ret & (VM_FAULT_RETRY | VM_FAULT_COMPLETED)))
			vma_end_read(object);
	} else {
		if (flags & FAULT_FLAG_RETRY_NOWAIT) {
			if (!mmap_read_trylock(host))
				return VM_FAULT_RETRY;
		} else if ((flags & FAULT_FLAG_ALLOW_RETRY) &&
			   (flags & FAULT_FLAG_KILLABLE)) {
			if (mmap_read_lock_killable(host)) {
				release_client(vma, flags);
				return VM_FAULT_RETRY;
			}
		} else {
			mmap_read_lock(host);
		}
		object = vma_lookup(host, haddr);
		ret = object ? fault_in_object(vma, address, object, haddr, flags,
					       &charge) :
			       VM_FAULT_SIGSEGV;
		if ((ret & VM_FAULT_RETRY) && (flags & FAULT_FLAG_RETRY_NOWAIT)) {
			mmap_read_unlock(host);
			return ret;
		}
		if (!(ret & (VM_FAULT_RETRY | VM_FAULT_COMPLETED)))
			mmap_read_unlock(host);
	}

	charge_reclaim(&charge, RECLAIM_PAGES);
	/*
	 * Who has charged cgroups of its own beyond memory.high sleeps on the
	 * way to user space. One that faults again and again in the kernel would
	 * do so in a later charge, with the host's lock.
	 */
	if (!(flags & FAULT_FLAG_USER))
		mem_cgroup_handle_over_high(GFP_KERNEL);
	/* The host's lock is gone: so must be the client's. */
	if (ret & (VM_FAULT_RETRY | VM_FAULT_COMPLETED))
		release_client(vma, flags);
	return ret;
}

/**
 * mshare_handle_fault - handle a fault in a mapping of a region
 * @vma: the client VMA
 * @address: the faulting address
 * @flags: FAULT_FLAG_*
 * @regs: the registers of the fault, or NULL
 *
 * Return: as handle_mm_fault(), which calls it.
 */
vm_fault_t mshare_handle_fault(struct vm_area_struct *vma,
			       unsigned long address, unsigned int flags,
			       struct pt_regs *regs)
{
	unsigned long major = current->maj_flt;
	vm_fault_t ret = client_fault(vma, address, flags);

	if (!regs || (ret & (VM_FAULT_RETRY | VM_FAULT_ERROR)))
		return ret;
	if (current->maj_flt != major)
		perf_sw_event(PERF_COUNT_SW_PAGE_FAULTS_MAJ, 1, regs, address);
	else
		perf_sw_event(PERF_COUNT_SW_PAGE_FAULTS_MIN, 1, regs, address);
	return ret;
}

/**
 * mshare_unlink_range - take the host's page tables out of a client's
 * @tlb: the mmu_gather of the unmapping
 * @vma: the client VMA
 * @start: the first address
 * @end: the address after the last
 *
 * The granules that @start and @end lie in go as a whole: a fault brings them
 * back, where the VMA stays.
 */
void mshare_unlink_range(struct mmu_gather *tlb, struct vm_area_struct *vma,
			 unsigned long start, unsigned long end)
{
	struct mm_struct *mm = vma->vm_mm;
	unsigned long addr;
	pgd_t *pgd;
	p4d_t *p4d;
	pud_t *pud;

	tlb_start_vma(tlb, vma);
	for (addr = start & PUD_MASK; addr < end; addr += PUD_SIZE) {
		pgd = pgd_offset(mm, addr);
		if (pgd_none_or_clear_bad(pgd))
			continue;
		p4d = p4d_offset(pgd, addr);
		if (p4d_none_or_clear_bad(p4d))
			continue;
		pud = pud_offset(p4d, addr);
		if (pud_none(READ_ONCE(*pud)))
			continue;

		client_set_pud(mm, pud, __pud(0));
		/*
		 * There are translations of single pages below the entry, and
		 * copies of the entry itself in paging-structure caches.
		 */
		tlb_flush_pte_range(tlb, addr, PUD_SIZE);
		tlb->freed_tables = 1;
	}
	tlb_end_vma(tlb, vma);
}

/**
 * mshare_pin_allowed - may a page that was found through a client be pinned?
 * @folio: the page's folio, with a reference
 * @gup_flags: FOLL_*
 *
 * As for other mappings, a long-term pin must not write to the pages of a file
 * that tracks which are dirty.
 */
bool mshare_pin_allowed(struct folio *folio, unsigned int gup_flags)
{
	const unsigned int bad = FOLL_PIN | FOLL_LONGTERM | FOLL_WRITE;
	struct address_space *mapping;
	bool allowed;

	if ((gup_flags & bad) != bad || folio_test_hugetlb(folio))
		return true;

	/* Inodes are freed by RCU. A truncated page has no mapping. */
	rcu_read_lock();
	mapping = READ_ONCE(folio->mapping);
	allowed = mapping && shmem_mapping(mapping);
	rcu_read_unlock();
	return allowed;
}

/* Clients: VMAs */

static void client_open(struct vm_area_struct *vma)
{
	atomic_long_inc(&client_region(vma)->clients);
	/* Pairs with the one in mshare_flush_host(). */
	smp_mb__after_atomic();
}

static void client_close(struct vm_area_struct *vma)
{
	atomic_long_dec(&client_region(vma)->clients);
}

static int client_may_split(struct vm_area_struct *vma, unsigned long addr)
{
	return IS_ALIGNED(addr, MSHARE_GRANULARITY) ? 0 : -EINVAL;
}

static int client_mprotect(struct vm_area_struct *vma, unsigned long start,
			   unsigned long end, unsigned long newflags)
{
	return -EINVAL;
}

/* handle_mm_fault() never gets as far as this. */
static vm_fault_t client_no_fault(struct vm_fault *vmf)
{
	return VM_FAULT_SIGBUS;
}

static const struct vm_operations_struct client_vm_ops = {
	.open = client_open,
	.close = client_close,
	.may_split = client_may_split,
	.mprotect = client_mprotect,
	.fault = client_no_fault,
};

static int client_check(struct file *file, struct mm_struct *mm,
			unsigned long len, unsigned long pgoff)
{
	unsigned long size = READ_ONCE(mshare_region_of(file_inode(file))->size);

	if (!size || len != size || pgoff)
		return -EINVAL;
	/*
	 * What uses this process's page tables, too (a KVM guest, a device),
	 * would not be told when the region's change.
	 */
	return mm_has_notifiers(mm) ? -EBUSY : 0;
}

/**
 * mshare_mm_is_client - does a process map a region?
 * @mm: its mm, whose mmap_lock the caller holds
 */
bool mshare_mm_is_client(struct mm_struct *mm)
{
	VMA_ITERATOR(vmi, mm, 0);
	struct vm_area_struct *vma;

	for_each_vma(vmi, vma)
		if (vma_is_mshare(vma))
			return true;
	return false;
}

/**
 * mshare_client_area - find a place for a mapping of a region
 * @file: the region
 * @addr: the wanted address, or 0
 * @len: length in bytes
 * @pgoff: offset in the region, in pages
 * @flags: MAP_*
 *
 * All that can be wrong with the mapping is found here: later, what MAP_FIXED
 * replaces is gone already.
 *
 * Return: the address, or an error.
 */
unsigned long mshare_client_area(struct file *file, unsigned long addr,
				 unsigned long len, unsigned long pgoff,
				 unsigned long flags)
{
	unsigned long type = flags & MAP_TYPE;
	unsigned long area, hint;
	int error;

	error = client_check(file, current->mm, len, pgoff);
	if (error)
		return error;
	if (type != MAP_SHARED && type != MAP_SHARED_VALIDATE)
		return -EINVAL;

	if (flags & MAP_FIXED) {
		if (!IS_ALIGNED(addr, MSHARE_GRANULARITY))
			return -EINVAL;
		return mm_get_unmapped_area(current->mm, NULL, addr, len, 0,
					    flags);
	}

	hint = ALIGN(addr, MSHARE_GRANULARITY);
	if (hint) {
		area = mm_get_unmapped_area(current->mm, NULL, hint, len, 0,
					    flags);
		if (area == hint)
			return area;
	}

	area = mm_get_unmapped_area(current->mm, NULL, 0,
				    len + MSHARE_GRANULARITY - PAGE_SIZE, 0,
				    flags);
	return IS_ERR_VALUE(area) ? area : ALIGN(area, MSHARE_GRANULARITY);
}

/* The mmap operation of a region's file. */
int mshare_client_mmap(struct file *file, struct vm_area_struct *vma)
{
	int error;

	error = client_check(file, vma->vm_mm, vma->vm_end - vma->vm_start,
			     vma->vm_pgoff);
	if (error)
		return error;
	if (!(vma->vm_flags & VM_MAYSHARE) ||
	    !IS_ALIGNED(vma->vm_start, MSHARE_GRANULARITY))
		return -EINVAL;

	/* VM_DONTEXPAND: no merging, no userfaultfd, no mlock, no khugepaged. */
	vm_flags_set(vma, VM_MSHARE | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_ops = &client_vm_ops;
	client_open(vma);
	return 0;
}

/* Regions */

/**
 * mshare_region_set_size - give a region its size, once
 * @region: the region; the caller holds its inode's lock
 * @size: in bytes, a multiple of the granularity
 *
 * Return: 0, or -EINVAL.
 */
int mshare_region_set_size(struct mshare_region *region, u64 size)
{
	if (region->size || !size || size > MSHARE_MAX_SIZE ||
	    !IS_ALIGNED(size, MSHARE_GRANULARITY))
		return -EINVAL;
	WRITE_ONCE(region->size, size);
	return 0;
}

/**
 * mshare_region_init - make a region's host mm
 * @region: the region, all zero
 *
 * Return: 0, or -ENOMEM.
 */
int mshare_region_init(struct mshare_region *region)
{
	struct mm_struct *host = mm_alloc();

	if (!host)
		return -ENOMEM;

	lockdep_set_class_and_name(&host->mmap_lock, &mshare_host_lock_key,
				   "&region->host->mmap_lock");
	/* What mm_alloc() takes over from current is not for this mm. */
	host->flags = 0;
	host->def_flags = 0;
#ifdef CONFIG_MEMCG
	RCU_INIT_POINTER(host->owner, NULL);
	region->memcg = get_mem_cgroup_from_mm(current->mm);
#endif
	region->host = host;
	WRITE_ONCE(host->mshare_region, region);
	return 0;
}

/**
 * mshare_region_destroy - free a region's memory and page tables
 * @region: the region; it has neither clients nor open files
 *
 * Return: the number of pages that its objects had mapped.
 */
long mshare_region_destroy(struct mshare_region *region)
{
	struct mm_struct *host = region->host;
	struct mmu_gather tlb;
	long pages;

	if (!host)
		return 0;

	mmap_read_lock(host);
	pages = mshare_objects_pages(host, 0, ULONG_MAX);
	mmap_read_unlock(host);

	/*
	 * This unmaps all, and as the mm is marked it leaves all tables where
	 * they are, also those far from any VMA: free them without the mark.
	 */
	mmgrab(host);
	WARN_ON_ONCE(atomic_read(&host->mm_users) != 1);
	mmput(host);
	WRITE_ONCE(host->mshare_region, NULL);
	tlb_gather_mmu(&tlb, host);
	free_pgd_range(&tlb, MSHARE_BASE, MSHARE_BASE + region->size, 0, 0);
	tlb_finish_mmu(&tlb);
	mmdrop(host);

#ifdef CONFIG_MEMCG
	mem_cgroup_put(region->memcg);
#endif
	region->host = NULL;
	return pages;
}
