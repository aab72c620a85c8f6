// SPDX-License-Identifier: GPL-2.0
/*
 * The objects of a region: VMAs in its host mm.
 *
 * They are built and put in the host's tree here, because mmap works on
 * current->mm only.
 */

#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/hugetlb.h>
#include <linux/khugepaged.h>
#include <linux/list.h>
#include <linux/memfd.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mshare.h>
#include <linux/page_table_check.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/secretmem.h>
#include <linux/security.h>
#include <linux/seq_file.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>

#include <asm/pgalloc.h>

#include "internal.h"
#include "mshare.h"
#include "vma.h"

static const u32 object_flags = MAP_TYPE | MAP_FIXED | MAP_FIXED_NOREPLACE |
				MAP_ANONYMOUS | MAP_HUGETLB |
				((u32)MAP_HUGE_MASK << MAP_HUGE_SHIFT);

/* Huge pages of another size can't be entries of a shared PMD page. */
#define OBJECT_HUGE_SIZE	PMD_SIZE

/* Is its memory the region's own, not that of a file that others can open? */
static bool object_is_anon(const struct vm_area_struct *object)
{
	return IS_PRIVATE(file_inode(object->vm_file)) ||
	       is_vm_hugetlb_page(object);
}

/* Where the address of an object lies in its file, in bytes. */
static loff_t object_offset(const struct vm_area_struct *object,
			    unsigned long address)
{
	return ((loff_t)object->vm_pgoff << PAGE_SHIFT) + address -
	       object->vm_start;
}

/* What can be asked for */

/* Is [offset, offset + size) in the region, and made of whole pages? */
static bool range_in_region(const struct mshare_region *region, u64 offset,
			    u64 size)
{
	return size && IS_ALIGNED(offset | size, PAGE_SIZE) &&
	       size <= region->size && offset <= region->size - size;
}

static int check_object(const struct mshare_region *region,
			const struct mshare_create *args)
{
	if ((args->flags & MAP_TYPE) != MAP_SHARED ||
	    !(args->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) ||
	    (args->flags & ~object_flags))
		return -EINVAL;
	if (!(args->flags & MAP_HUGETLB) && (args->flags >> MAP_HUGE_SHIFT))
		return -EINVAL;
	if (args->prot & ~(PROT_READ | PROT_WRITE))
		return -EINVAL;
	if (!range_in_region(region, args->region_offset, args->size) ||
	    offset_in_page(args->offset))
		return -EINVAL;
	if (args->offset + args->size < args->offset)
		return -EINVAL;
	if ((args->flags & MAP_ANONYMOUS) && args->fd != (u32)-1)
		return -EINVAL;
	return 0;
}

/*
 * Only files that are mapped from a page cache of their own: what maps other
 * memory does it in its mmap operation, before this could undo it. Those that
 * the kernel has for itself, such as SysV shared memory, are not for regions.
 */
static bool file_has_page_cache(struct file *file)
{
	struct address_space *mapping = file->f_mapping;

	if (!S_ISREG(file_inode(file)->i_mode) || !file->f_op->mmap ||
	    is_file_hugepages(file) || IS_DAX(file_inode(file)) ||
	    file_inode(file)->i_sb->s_mtd ||
	    IS_PRIVATE(file_inode(file)) || secretmem_mapping(mapping))
		return false;
	/* Not sysfs, whose files have the operations of ramfs. */
	if (mapping->a_ops == &ram_aops)
		return file->f_op->mmap == generic_file_mmap;
	return shmem_mapping(mapping) || mapping->a_ops->read_folio;
}

/* As in do_mmap(), for a shared mapping. */
static int check_object_file(struct file *file,
			     const struct mshare_create *args)
{
	struct inode *inode = file_inode(file);
	u64 most = inode->i_sb->s_maxbytes;

	if (file_is_mshare_region(file) || (args->flags & MAP_HUGETLB))
		return -EINVAL;
	if (!file_has_page_cache(file))
		return -ENODEV;
	if (!(file->f_mode & FMODE_READ))
		return -EACCES;
	if (args->prot & PROT_WRITE) {
		if (!(file->f_mode & FMODE_WRITE))
			return -EACCES;
		if (IS_SWAPFILE(file->f_mapping->host))
			return -ETXTBSY;
	}
	if (IS_APPEND(inode) && (file->f_mode & FMODE_WRITE))
		return -EACCES;
	if (args->offset > most || args->size > most - args->offset)
		return -EOVERFLOW;
	return 0;
}

/*
 * The kernel's own mounts have no limits: where these file systems answer
 * ENOSPC, there was no memory for an inode.
 */
static int error_of_memory(int error)
{
	return error == -ENOSPC ? -ENOMEM : error;
}

static struct file *open_huge_pages(const struct mshare_create *args)
{
	unsigned int log = (args->flags >> MAP_HUGE_SHIFT) & MAP_HUGE_MASK;
	struct hstate *hstate = hstate_sizelog(log);
	struct file *file;

	if (!hstate || huge_page_size(hstate) != OBJECT_HUGE_SIZE ||
	    !IS_ALIGNED(args->region_offset | args->size, OBJECT_HUGE_SIZE))
		return ERR_PTR(-EINVAL);
	/* The pages are reserved by the file's mmap operation. */
	file = hugetlb_file_setup(HUGETLB_ANON_FILE, args->size, VM_NORESERVE,
				  HUGETLB_ANONHUGE_INODE, log);
	return IS_ERR(file) ? ERR_PTR(error_of_memory(PTR_ERR(file))) : file;
}

/*
 * The file that an object is to map, with a reference; NULL for anonymous
 * memory of the usual page size, whose file is made with the VMA.
 */
static struct file *open_object(const struct mshare_create *args)
{
	struct file *file;
	int error;

	if (args->flags & MAP_ANONYMOUS)
		return args->flags & MAP_HUGETLB ? open_huge_pages(args) : NULL;

	file = fget(args->fd);
	if (!file)
		return ERR_PTR(-EBADF);
	error = check_object_file(file, args);
	if (!error)
		error = security_mmap_file(file, args->prot, args->flags);
	if (error) {
		fput(file);
		return ERR_PTR(error);
	}
	return file;
}

/* Making the VMA */

/* Let the file set up the VMA. As in mmap_region(). */
static int map_object_file(struct vm_area_struct *object, struct file *file)
{
	int error;

	object->vm_file = get_file(file);
	error = mmap_file(file, object);
	/* Another file than the one that was checked: FUSE can do that. */
	if (!error && (object->vm_file != file || !object->vm_ops ||
		       !object->vm_ops->fault ||
		       object->vm_flags & (VM_IO | VM_PFNMAP | VM_MIXEDMAP))) {
		vma_close(object);
		error = -ENODEV;
	}
	if (error)
		fput(object->vm_file);
	return error;
}

static void free_object(struct vm_area_struct *object)
{
	vma_close(object);
	fput(object->vm_file);
	vm_area_free(object);
}

/* The flags of the VMA, as do_mmap() would have them. */
static int object_vm_flags(const struct mshare_create *args, struct file *file,
			   vm_flags_t *flags)
{
	*flags = calc_vm_prot_bits(args->prot, 0) | VM_SHARED | VM_MAYSHARE |
		 VM_MAYREAD | VM_MAYWRITE;
	if (!file)
		return 0;
	if (!(file->f_mode & FMODE_WRITE))
		*flags &= ~(VM_MAYWRITE | VM_SHARED);
	return memfd_check_seals_mmap(file, flags);
}

/* A VMA that is not in the host's tree yet. Under the host's mmap_lock. */
static struct vm_area_struct *alloc_object(struct mm_struct *host,
					   const struct mshare_create *args,
					   struct file *file, vm_flags_t flags)
{
	unsigned long start = MSHARE_BASE + args->region_offset;
	unsigned long pgoff = args->flags & MAP_ANONYMOUS ?
			      0 : args->offset >> PAGE_SHIFT;
	struct vm_area_struct *object;
	int error;

	object = vm_area_alloc(host);
	if (!object)
		return ERR_PTR(-ENOMEM);
	vma_set_range(object, start, start + args->size, pgoff);
	vm_flags_init(object, flags);
	object->vm_page_prot = vm_get_page_prot(flags);

	error = file ? map_object_file(object, file) :
		       error_of_memory(shmem_zero_setup(object));
	if (error) {
		vm_area_free(object);
		return ERR_PTR(error);
	}
	return object;
}

/* What an object leaves behind when it goes, as a whole or in part */

/* Pages of an anonymous object's file that nothing maps any longer. */
struct hole {
	struct list_head list;
	struct file *file;
	loff_t offset;
	loff_t size;
};

/* Does an object of huge pages lie across @addr, so that one would be cut? */
static bool cuts_huge_page(struct mm_struct *host, unsigned long addr)
{
	struct vm_area_struct *object = vma_lookup(host, addr);

	return object && is_vm_hugetlb_page(object) &&
	       !IS_ALIGNED(addr, OBJECT_HUGE_SIZE);
}

/*
 * Note the holes that taking out [start, end) makes in anonymous objects that
 * stay in part. Their memory is reached through the region alone: kept until
 * the last part of its object goes, it would be lost, and past the limits.
 *
 * A range that cuts a huge page is refused here, before anything is split.
 */
static int find_holes(struct mm_struct *host, unsigned long start,
		      unsigned long end, struct list_head *holes)
{
	VMA_ITERATOR(vmi, host, start);
	struct vm_area_struct *object;

	if (cuts_huge_page(host, start) || cuts_huge_page(host, end))
		return -EINVAL;

	for_each_vma_range(vmi, object, end) {
		unsigned long from = max(start, object->vm_start);
		unsigned long to = min(end, object->vm_end);
		struct hole *hole;

		if (!object_is_anon(object))
			continue;
		/* The last part of it: the file goes, too. */
		if (to - from == object->vm_end - object->vm_start &&
		    file_count(object->vm_file) == 1)
			continue;
		/* Not accounted: a full cgroup must not keep this from relieving it. */
		hole = kmalloc(sizeof(*hole), GFP_KERNEL);
		if (!hole)
			return -ENOMEM;
		hole->file = get_file(object->vm_file);
		hole->offset = object_offset(object, from);
		hole->size = to - from;
		list_add_tail(&hole->list, holes);
	}
	return 0;
}

/*
 * Of huge pages that nobody has touched there is a reservation. To cut its
 * middle out takes a little memory, and at this point nobody can be refused:
 * without it the pages would stay reserved until the object goes.
 */
static void give_back_reservation(const struct hole *hole)
{
#ifdef CONFIG_HUGETLBFS
	loff_t end = hole->offset + hole->size;

	if (is_file_hugepages(hole->file))
		while (hugetlb_unreserve_pages(file_inode(hole->file),
					       hole->offset / OBJECT_HUGE_SIZE,
					       end / OBJECT_HUGE_SIZE, 0))
			schedule_timeout_uninterruptible(1);
#endif
}

/*
 * As munmap(), this asks nobody for leave, so not by vfs_fallocate(): the file
 * is the region's own, and may have been made by another process.
 */
static void punch_hole(const struct hole *hole)
{
	struct file *file = hole->file;
	long error;

	file_start_write(file);
	error = file->f_op->fallocate(file, FALLOC_FL_PUNCH_HOLE |
				      FALLOC_FL_KEEP_SIZE,
				      hole->offset, hole->size);
	file_end_write(file);
	if (!WARN_ON_ONCE(error))
		give_back_reservation(hole);
}

/*
 * Free the memory in the holes, if @punch, and forget them. Not under the
 * host's mmap_lock: a file's lock comes before any.
 */
static void finish_holes(struct list_head *holes, bool punch)
{
	struct hole *hole, *next;

	list_for_each_entry_safe(hole, next, holes, list) {
		if (punch)
			punch_hole(hole);
		fput(hole->file);
		kfree(hole);
	}
}

static pgtable_t detach_pte_page(struct mm_struct *host, unsigned long addr)
{
	pmd_t *pmd = mm_find_pmd(host, addr);
	pgtable_t table = NULL;
	spinlock_t *pml, *ptl;
	pmd_t value;

	if (!pmd || pmd_none(READ_ONCE(*pmd)))
		return NULL;

	pml = pmd_lock(host, pmd);
	value = *pmd;
	if (!pmd_none(value) && !WARN_ON_ONCE(pmd_leaf(value))) {
		/*
		 * Processes that walk the table know it by its lock, which is
		 * another one: CONFIG_MSHARE needs split locks.
		 */
		ptl = pte_lockptr(host, pmd);
		spin_lock_nested(ptl, SINGLE_DEPTH_NESTING);
		pmd_clear(pmd);
		spin_unlock(ptl);
		table = pmd_pgtable(value);
		page_table_check_pte_clear_range(host, addr, value);
	}
	spin_unlock(pml);
	return table;
}

/*
 * Free the PTE pages of [start, end), which maps nothing and is made of whole
 * PMD entries: huge pages can take their place. Other processes walk them
 * without the host's mmap_lock, so they go as in retract_page_tables().
 */
static void free_pte_pages(struct mm_struct *host, unsigned long start,
			   unsigned long end)
{
	struct page *table, *next;
	unsigned long addr = start;
	LIST_HEAD(tables);

	while (addr < end) {
		cond_resched();
		if (!mm_find_pmd(host, addr)) {
			addr = (addr & PUD_MASK) + PUD_SIZE;
			continue;
		}
		table = detach_pte_page(host, addr);
		if (table)
			list_add(&table->lru, &tables);
		addr += PMD_SIZE;
	}
	if (list_empty(&tables))
		return;

	mshare_flush_host(host);
	list_for_each_entry_safe(table, next, &tables, lru) {
		mm_dec_nr_ptes(host);
		pte_free_defer(host, table);
	}
}

/* The same for all PMD entries in [start, end) that no object reaches into. */
static void free_unused_pte_pages(struct mm_struct *host, unsigned long start,
				  unsigned long end)
{
	VMA_ITERATOR(vmi, host, start);
	struct vm_area_struct *prev, *next;

	prev = vma_prev(&vmi);
	vma_iter_set(&vmi, end);
	next = vma_find(&vmi, ULONG_MAX);

	start = ALIGN_DOWN(start, PMD_SIZE);
	if (prev)
		start = max(start, ALIGN(prev->vm_end, PMD_SIZE));
	end = ALIGN(end, PMD_SIZE);
	if (next)
		end = min(end, ALIGN_DOWN(next->vm_start, PMD_SIZE));
	if (start < end)
		free_pte_pages(host, start, end);
}

/* In and out of the host's tree */

/**
 * mshare_objects_pages - count the pages that objects map
 * @host: the host mm, whose mmap_lock the caller holds
 * @start: the first address
 * @end: the address after the last
 *
 * Return: how many pages of [start, end) objects map.
 */
long mshare_objects_pages(struct mm_struct *host, unsigned long start,
			  unsigned long end)
{
	VMA_ITERATOR(vmi, host, start);
	struct vm_area_struct *object;
	long pages = 0;

	for_each_vma_range(vmi, object, end)
		pages += PHYS_PFN(min(end, object->vm_end) -
				  max(start, object->vm_start));
	return pages;
}

/*
 * Let khugepaged look at the region from now on, whether huge pages are on or
 * not. A process is known to it from its next mmap() after they were turned on;
 * there may be none for the host.
 */
static void tell_khugepaged(struct vm_area_struct *object)
{
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
	if (vma_is_shmem(object))
		__khugepaged_enter(object->vm_mm);
#endif
	khugepaged_enter_vma(object, object->vm_flags);
}

/*
 * Put @object in the host's tree in place of what is there, or change nothing.
 * This is what mmap_region() does, but in another mm than current's.
 */
static int insert_object(struct mshare_region *region,
			 struct vm_area_struct *object)
{
	VMA_ITERATOR(vmi, region->host, object->vm_start);
	struct mm_struct *host = region->host;
	struct vma_munmap_struct vms;
	struct maple_tree mt_detach;
	struct ma_state mas_detach;
	struct vm_area_struct *old;
	int error;

	old = vma_find(&vmi, object->vm_end);
	init_vma_munmap(&vms, &vmi, old, object->vm_start, object->vm_end, NULL,
			false);
	if (old) {
		mt_init_flags(&mt_detach,
			      vmi.mas.tree->ma_flags & MT_FLAGS_LOCK_MASK);
		mt_on_stack(mt_detach);
		mas_init(&mas_detach, &mt_detach, 0);
		error = vms_gather_munmap_vmas(&vms, &mas_detach);
		if (error)
			return error;
	} else {
		/* The search has left the iterator somewhere else. */
		vma_iter_set(&vmi, object->vm_start);
	}

	vma_iter_config(&vmi, object->vm_start, object->vm_end);
	if (vma_iter_prealloc(&vmi, object)) {
		if (old)
			vms_abort_munmap_vmas(&vms, &mas_detach);
		return -ENOMEM;
	}

	if (old)
		vms_clean_up_area(&vms, &mas_detach);
	if (is_vm_hugetlb_page(object))
		free_pte_pages(host, object->vm_start, object->vm_end);
	vma_start_write(object);
	vma_iter_store(&vmi, object);
	host->map_count++;
	vma_link_file(object);
	tell_khugepaged(object);
	vms_complete_munmap_vmas(&vms, &mas_detach);
	vm_stat_account(host, object->vm_flags, vma_pages(object));
	/* As for any new VMA; without it, first loads would map read-only. */
	vm_flags_set(object, VM_SOFTDIRTY);
	vma_set_page_prot(object);
	return 0;
}

/*
 * See that @args may take the place of what is there, and count its pages, less
 * those of what it replaces: *@grown. What is there already, and the limits of
 * the mount, refuse it before any memory is reserved for it.
 */
static int make_room(struct inode *inode, const struct mshare_create *args,
		     struct list_head *holes, long *grown)
{
	struct mm_struct *host = mshare_region_of(inode)->host;
	unsigned long start = MSHARE_BASE + args->region_offset;
	unsigned long end = start + args->size;
	int error;

	if ((args->flags & MAP_FIXED_NOREPLACE) &&
	    find_vma_intersection(host, start, end))
		return -EEXIST;
	if (host->map_count >= READ_ONCE(sysctl_max_map_count))
		return -ENOMEM;

	error = find_holes(host, start, end, holes);
	if (error)
		return error;
	*grown = PHYS_PFN(args->size) - mshare_objects_pages(host, start, end);
	return msharefs_charge(inode, *grown);
}

/* Under the host's mmap_lock. */
static int place_object(struct mshare_region *region,
			const struct mshare_create *args, struct file *file,
			vm_flags_t flags)
{
	struct vm_area_struct *object;
	int error;

	object = alloc_object(region->host, args, file, flags);
	if (IS_ERR(object))
		return PTR_ERR(object);
	error = insert_object(region, object);
	if (error)
		free_object(object);
	return error;
}

static int create_object(struct inode *inode, const struct mshare_create *args,
			 struct file *file, vm_flags_t flags)
{
	struct mshare_region *region = mshare_region_of(inode);
	LIST_HEAD(holes);
	long grown;
	int error;

	error = mmap_write_lock_killable(region->host);
	if (error)
		return error;
	error = make_room(inode, args, &holes, &grown);
	if (!error) {
		error = place_object(region, args, file, flags);
		if (error)
			msharefs_charge(inode, -grown);
	}
	mmap_write_unlock(region->host);
	finish_holes(&holes, !error);
	return error;
}

static int create_object_of(struct inode *inode,
			    const struct mshare_create *args, struct file *file)
{
	vm_flags_t flags;
	bool writable;
	int error;

	error = object_vm_flags(args, file, &flags);
	if (error)
		return error;

	/* Nobody seals the file until the VMA is in its tree, and counts. */
	writable = file && is_shared_maywrite(flags);
	if (writable) {
		error = mapping_map_writable(file->f_mapping);
		if (error)
			return error;
	}
	error = create_object(inode, args, file, flags);
	if (writable)
		mapping_unmap_writable(file->f_mapping);
	return error;
}

/* MSHAREFS_CREATE_MAPPING */
int mshare_region_map(struct inode *inode, const struct mshare_create *args)
{
	struct mshare_region *region = mshare_region_of(inode);
	struct mshare_charge charge;
	struct file *file;
	int error;

	error = check_object(region, args);
	if (error)
		return error;

	charge = mshare_charge_start(region);
	file = open_object(args);
	error = PTR_ERR_OR_ZERO(file);
	if (!error) {
		error = create_object_of(inode, args, file);
		if (file)
			fput(file);
	}
	mshare_charge_end(charge);
	return error;
}

/* Take out the objects in [start, end). Under the host's mmap_lock. */
static int remove_objects(struct mshare_region *region, unsigned long start,
			  unsigned long end, struct list_head *holes)
{
	VMA_ITERATOR(vmi, region->host, start);
	struct vm_area_struct *first = vma_find(&vmi, end);
	int error;

	if (!first)
		return 0;
	error = find_holes(region->host, start, end, holes);
	if (error)
		return error;
	error = do_vmi_align_munmap(&vmi, first, region->host, start, end, NULL,
				    false);
	if (!error)
		free_unused_pte_pages(region->host, start, end);
	return error;
}

/*
 * MSHAREFS_UNMAP. What splits an object is charged to the caller, as by
 * munmap(): at its limit, the region's cgroup could not be relieved otherwise.
 */
int mshare_region_unmap(struct inode *inode, const struct mshare_unmap *args)
{
	struct mshare_region *region = mshare_region_of(inode);
	unsigned long start = MSHARE_BASE + args->region_offset;
	unsigned long end = start + args->size;
	LIST_HEAD(holes);
	long pages;
	int error;

	if (!range_in_region(region, args->region_offset, args->size))
		return -EINVAL;

	error = mmap_write_lock_killable(region->host);
	if (error)
		return error;
	pages = mshare_objects_pages(region->host, start, end);
	error = remove_objects(region, start, end, &holes);
	mmap_write_unlock(region->host);
	finish_holes(&holes, !error);
	if (!error)
		msharefs_charge(inode, -pages);
	return error;
}

/* What is there */

static const char *object_kind(const struct vm_area_struct *object)
{
	if (is_vm_hugetlb_page(object))
		return "hugetlb";
	return object_is_anon(object) ? "anon" : "file";
}

/* fdinfo: what is in the region, so that tools need no state of their own. */
void mshare_region_show(struct seq_file *m, struct mshare_region *region)
{
	VMA_ITERATOR(vmi, region->host, 0);
	struct vm_area_struct *object;

	seq_printf(m, "mshare_clients:\t%ld\n",
		   atomic_long_read(&region->clients));
	if (mmap_read_lock_killable(region->host))
		return;
	for_each_vma(vmi, object) {
		seq_printf(m, "mshare_object:\t0x%lx 0x%lx %c%c %s ",
			   object->vm_start - MSHARE_BASE,
			   object->vm_end - object->vm_start,
			   object->vm_flags & VM_READ ? 'r' : '-',
			   object->vm_flags & VM_WRITE ? 'w' : '-',
			   object_kind(object));
		if (object_is_anon(object))
			seq_putc(m, '-');
		else
			seq_file_path(m, object->vm_file, "\n");
		seq_putc(m, '\n');
	}
	mmap_read_unlock(region->host);
}

/**
 * mshare_region_sync - write the files that a region maps back
 * @region: the region
 * @start: offset of the first byte in the region
 * @end: offset of the last byte
 * @datasync: as for fdatasync()
 *
 * Return: 0, or the first error; the others are written all the same, unless
 * the caller is killed.
 */
int mshare_region_sync(struct mshare_region *region, loff_t start, loff_t end,
		       int datasync)
{
	struct mm_struct *host = region->host;
	unsigned long last = MSHARE_BASE + min_t(u64, end, MSHARE_MAX_SIZE - 1);
	unsigned long addr = MSHARE_BASE + start;
	struct vm_area_struct *object;
	struct file *file;
	int error = 0, ret;
	loff_t pos;

	if (mmap_read_lock_killable(host))
		return -EINTR;
	while (addr <= last && (object = find_vma(host, addr)) &&
	       object->vm_start <= last) {
		addr = max(addr, object->vm_start);
		pos = object_offset(object, addr);
		end = object_offset(object, min(last, object->vm_end - 1));
		addr = object->vm_end;
		if (object_is_anon(object) || !(object->vm_flags & VM_SHARED))
			continue;

		file = get_file(object->vm_file);
		mmap_read_unlock(host);
		ret = vfs_fsync_range(file, pos, end, datasync);
		fput(file);
		if (!error)
			error = ret;
		if (mmap_read_lock_killable(host))
			return error ?: -EINTR;
	}
	mmap_read_unlock(host);
	return error;
}
