/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared page tables: what the rest of mm needs to know of msharefs.
 *
 * Without CONFIG_MSHARE the tests below are constant and the calls behind them
 * are not compiled.
 */
#ifndef _LINUX_MSHARE_H
#define _LINUX_MSHARE_H

#include <linux/mm.h>

struct file;
struct mem_cgroup;
struct mmu_gather;

/* Is this a process's mapping of a region ("client VMA")? */
static inline bool vma_is_mshare(const struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_MSHARE;
}

/* Does this mm hold the page tables of a region ("host mm")? */
static inline bool mm_is_mshare_host(const struct mm_struct *mm)
{
#ifdef CONFIG_MSHARE
	return READ_ONCE(mm->mshare_region);
#else
	return false;
#endif
}

/*
 * Does an upper entry keep writes from a region's tables? Other mappings have
 * none such, so that the test comes first, and is the cheapest there is.
 */
static inline bool mshare_pud_read_only(pud_t pud)
{
#ifdef CONFIG_MSHARE
	return !(pud_val(pud) & _PAGE_RW);
#else
	return false;
#endif
}

bool file_is_mshare_region(struct file *file);
void mshare_flush_host(struct mm_struct *host);
bool mshare_pin_allowed(struct folio *folio, unsigned int gup_flags);
bool mshare_mm_is_client(struct mm_struct *mm);
struct mm_struct *mshare_host_mm(struct vm_area_struct *vma);
unsigned long mshare_host_address(struct vm_area_struct *vma,
				  unsigned long address);
vm_fault_t mshare_handle_fault(struct vm_area_struct *vma,
			       unsigned long address, unsigned int flags,
			       struct pt_regs *regs);
void mshare_unlink_range(struct mmu_gather *tlb, struct vm_area_struct *vma,
			 unsigned long start, unsigned long end);

/**
 * struct mshare_charge - while what is allocated is charged to a region's creator
 * @memcg: the creator's memory cgroup, or its next ancestor that was not removed,
 *	   or NULL; the region has a reference
 * @old: what set_active_memcg() had before
 * @used: the pages that @memcg had then, to see whether more were charged
 */
struct mshare_charge {
	struct mem_cgroup *memcg;
	struct mem_cgroup *old;
	unsigned long used;
};

/* What is allocated between the two is charged to the region's creator. */
struct mshare_charge mshare_charge_client(struct vm_area_struct *vma);
void mshare_charge_end(struct mshare_charge charge);

#endif /* _LINUX_MSHARE_H */
