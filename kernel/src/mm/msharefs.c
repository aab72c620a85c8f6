// SPDX-License-Identifier: GPL-2.0
/*
 * msharefs: the file system whose regular files are regions of shared memory
 * with shared page tables. What a region is, is in mm/mshare.c, and what can be
 * in it, in mm/mshare_object.c.
 */

#include <linux/ctype.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/init.h>
#include <linux/kstrtox.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mshare.h>
#include <linux/pagemap.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/statfs.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/uaccess.h>

#include "mshare.h"

#define MSHAREFS_DEFAULT_MODE	01777

/* A limit of 0 is none. Directories count as regions. */
struct msharefs_limits {
	long pages;
	long regions;
};

struct msharefs_sb {
	spinlock_t lock;		/* of all below */
	struct msharefs_limits limit;
	struct msharefs_limits used;
};

struct msharefs_inode {
	struct mshare_region region;
	struct inode vfs_inode;
};

struct msharefs_context {
	struct msharefs_limits limit;
	umode_t mode;
	kuid_t uid;
	kgid_t gid;
	unsigned int seen;		/* a bit for each option given */
};

enum msharefs_param { OPT_GID, OPT_MODE, OPT_NR_REGIONS, OPT_SIZE, OPT_UID };

static const struct fs_parameter_spec msharefs_parameters[] = {
	fsparam_gid("gid", OPT_GID),
	fsparam_u32oct("mode", OPT_MODE),
	fsparam_u64("nr_regions", OPT_NR_REGIONS),
	fsparam_string("size", OPT_SIZE),
	fsparam_uid("uid", OPT_UID),
	{}
};

static const struct super_operations msharefs_ops;
static const struct inode_operations msharefs_dir_inode_operations;
static const struct inode_operations msharefs_region_inode_operations;
static const struct file_operations msharefs_region_operations;
static const struct file_operations msharefs_info_operations;

static struct kmem_cache *msharefs_inode_cache;

static struct msharefs_sb *msharefs_sb_of(const struct super_block *sb)
{
	return sb->s_fs_info;
}

struct mshare_region *mshare_region_of(struct inode *inode)
{
	return &container_of(inode, struct msharefs_inode, vfs_inode)->region;
}

bool file_is_mshare_region(struct file *file)
{
	return file->f_op == &msharefs_region_operations;
}

/* Limits */

static int charge(struct super_block *sb, long pages, long regions)
{
	struct msharefs_sb *sbi = msharefs_sb_of(sb);
	int error = 0;

	spin_lock(&sbi->lock);
	if ((pages > 0 && sbi->limit.pages &&
	     sbi->used.pages + pages > sbi->limit.pages) ||
	    (regions > 0 && sbi->limit.regions &&
	     sbi->used.regions + regions > sbi->limit.regions)) {
		error = -ENOSPC;
	} else {
		sbi->used.pages += pages;
		sbi->used.regions += regions;
	}
	spin_unlock(&sbi->lock);
	return error;
}

int msharefs_charge(struct inode *inode, long pages)
{
	return charge(inode->i_sb, pages, 0);
}

/* Regions */

static int set_size(struct inode *inode, loff_t size)
{
	int error;

	error = inode_newsize_ok(inode, size);
	if (error)
		return error;
	error = mshare_region_set_size(mshare_region_of(inode), size);
	if (error)
		return error;
	i_size_write(inode, size);
	return 0;
}

static int msharefs_region_setattr(struct mnt_idmap *idmap,
				   struct dentry *dentry, struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	int error;

	error = setattr_prepare(idmap, dentry, attr);
	if (error)
		return error;

	if (attr->ia_valid & ATTR_SIZE) {
		/* O_TRUNC on a region without a size has nothing to do. */
		bool nothing = (attr->ia_valid & ATTR_OPEN) &&
			       !attr->ia_size && !i_size_read(inode);

		error = nothing ? 0 : set_size(inode, attr->ia_size);
		if (error)
			return error;
	}
	setattr_copy(idmap, inode, attr);
	return 0;
}

static long msharefs_region_fallocate(struct file *file, int mode,
				      loff_t offset, loff_t len)
{
	struct inode *inode = file_inode(file);
	int error;

	if (mode)
		return -EOPNOTSUPP;
	if (offset)
		return -EINVAL;

	inode_lock(inode);
	error = set_size(inode, len);
	if (!error)
		inode_set_mtime_to_ts(inode, inode_set_ctime_current(inode));
	inode_unlock(inode);
	return error;
}

static long msharefs_region_ioctl(struct file *file, unsigned int cmd,
				  unsigned long arg)
{
	void __user *from = (void __user *)arg;
	struct inode *inode = file_inode(file);
	union {
		struct mshare_create create;
		struct mshare_unmap unmap;
	} args;

	if (cmd != MSHAREFS_CREATE_MAPPING && cmd != MSHAREFS_UNMAP)
		return -ENOTTY;
	if (!(file->f_mode & FMODE_WRITE))
		return -EACCES;
	if (copy_from_user(&args, from, _IOC_SIZE(cmd)))
		return -EFAULT;

	if (cmd == MSHAREFS_CREATE_MAPPING)
		return mshare_region_map(inode, &args.create);
	return mshare_region_unmap(inode, &args.unmap);
}

static int msharefs_region_fsync(struct file *file, loff_t start, loff_t end,
				 int datasync)
{
	return mshare_region_sync(mshare_region_of(file_inode(file)), start,
				  end, datasync);
}

static void msharefs_region_show_fdinfo(struct seq_file *m, struct file *file)
{
	mshare_region_show(m, mshare_region_of(file_inode(file)));
}

static const struct inode_operations msharefs_region_inode_operations = {
	.setattr = msharefs_region_setattr,
	.getattr = simple_getattr,
};

static const struct file_operations msharefs_region_operations = {
	.owner = THIS_MODULE,
	.mmap = mshare_client_mmap,
	.get_unmapped_area = mshare_client_area,
	.unlocked_ioctl = msharefs_region_ioctl,
	.fallocate = msharefs_region_fallocate,
	.fsync = msharefs_region_fsync,
	.show_fdinfo = msharefs_region_show_fdinfo,
	.llseek = generic_file_llseek,
};

/* mshare_info */

static ssize_t msharefs_info_read(struct file *file, char __user *to,
				  size_t count, loff_t *pos)
{
	char text[24];
	int len;

	len = scnprintf(text, sizeof(text), "%lu\n", MSHARE_GRANULARITY);
	return simple_read_from_buffer(to, count, pos, text, len);
}

static const struct file_operations msharefs_info_operations = {
	.owner = THIS_MODULE,
	.read = msharefs_info_read,
	.llseek = default_llseek,
};

/* Directories and inodes */

static struct inode *new_inode_of(struct super_block *sb, struct inode *dir,
				  umode_t mode)
{
	struct inode *inode = new_inode(sb);

	if (!inode)
		return NULL;
	inode->i_ino = get_next_ino();
	inode_init_owner(&nop_mnt_idmap, inode, dir, mode);
	simple_inode_init_ts(inode);
	if (S_ISDIR(mode)) {
		inode->i_op = &msharefs_dir_inode_operations;
		inode->i_fop = &simple_dir_operations;
		/* "." */
		inc_nlink(inode);
	}
	return inode;
}

/* The reference keeps the name until it is unlinked, as in ramfs. */
static void add_name(struct inode *dir, struct dentry *dentry,
		     struct inode *inode)
{
	d_instantiate(dentry, inode);
	dget(dentry);
	inode_set_mtime_to_ts(dir, inode_set_ctime_current(dir));
}

/* An inode that counts for nr_regions=: evicting it gives the charge back. */
static struct inode *charged_inode(struct inode *dir, umode_t mode)
{
	struct inode *inode;
	int error;

	error = charge(dir->i_sb, 0, 1);
	if (error)
		return ERR_PTR(error);
	inode = new_inode_of(dir->i_sb, dir, mode);
	if (!inode) {
		charge(dir->i_sb, 0, -1);
		return ERR_PTR(-ENOMEM);
	}
	return inode;
}

static int msharefs_create(struct mnt_idmap *idmap, struct inode *dir,
			   struct dentry *dentry, umode_t mode, bool excl)
{
	struct inode *inode;
	int error;

	inode = charged_inode(dir, S_IFREG | mode);
	if (IS_ERR(inode))
		return PTR_ERR(inode);
	inode->i_op = &msharefs_region_inode_operations;
	inode->i_fop = &msharefs_region_operations;

	error = mshare_region_init(mshare_region_of(inode));
	if (error) {
		iput(inode);
		return error;
	}
	add_name(dir, dentry, inode);
	return 0;
}

static int msharefs_mkdir(struct mnt_idmap *idmap, struct inode *dir,
			  struct dentry *dentry, umode_t mode)
{
	struct inode *inode;

	inode = charged_inode(dir, S_IFDIR | mode);
	if (IS_ERR(inode))
		return PTR_ERR(inode);
	add_name(dir, dentry, inode);
	inc_nlink(dir);
	return 0;
}

static const struct inode_operations msharefs_dir_inode_operations = {
	.create = msharefs_create,
	.lookup = simple_lookup,
	.unlink = simple_unlink,
	.mkdir = msharefs_mkdir,
	.rmdir = simple_rmdir,
	.rename = simple_rename,
	.setattr = simple_setattr,
	.getattr = simple_getattr,
};

static struct inode *msharefs_alloc_inode(struct super_block *sb)
{
	struct msharefs_inode *inode;

	inode = alloc_inode_sb(sb, msharefs_inode_cache, GFP_KERNEL);
	if (!inode)
		return NULL;
	memset(&inode->region, 0, sizeof(inode->region));
	return &inode->vfs_inode;
}

static void msharefs_free_inode(struct inode *inode)
{
	kmem_cache_free(msharefs_inode_cache,
			container_of(inode, struct msharefs_inode, vfs_inode));
}

static void msharefs_evict_inode(struct inode *inode)
{
	struct super_block *sb = inode->i_sb;

	clear_inode(inode);
	if (inode->i_fop == &msharefs_region_operations)
		charge(sb, -mshare_region_destroy(mshare_region_of(inode)), -1);
	else if (S_ISDIR(inode->i_mode) && sb->s_root)
		charge(sb, 0, -1);	/* but not the root: it goes with all */
}

/* Mounts */

/* A number of bytes with a suffix, as pages; a page begun counts. */
static int parse_size(struct fs_context *fc, struct fs_parameter *param,
		      long *pages)
{
	static const char suffixes[] = "kmgtpe";
	size_t digits = strspn(param->string, "0123456789");
	const char *rest = param->string + digits, *suffix;
	unsigned int shift = 0;
	unsigned long value;
	char number[24];

	/* memparse() would take what does not fit for a small number. */
	if (digits >= sizeof(number))
		goto bad;
	memcpy(number, param->string, digits);
	number[digits] = 0;
	if (kstrtoul(number, 10, &value))
		goto bad;
	if (*rest) {
		suffix = strchr(suffixes, tolower(*rest));
		if (!suffix || rest[1])
			goto bad;
		shift = 10 * (suffix - suffixes + 1);
	}
	if (value > LONG_MAX >> shift)
		goto bad;
	*pages = DIV_ROUND_UP(value << shift, PAGE_SIZE);
	return 0;
bad:
	return invalfc(fc, "Bad value for 'size'");
}

static int msharefs_parse_param(struct fs_context *fc,
				struct fs_parameter *param)
{
	struct msharefs_context *ctx = fc->fs_private;
	struct fs_parse_result result;
	int opt, error = 0;

	opt = fs_parse(fc, msharefs_parameters, param, &result);
	if (opt < 0)
		return opt;

	switch (opt) {
	case OPT_MODE:
		if (result.uint_32 & ~07777)
			return invalfc(fc, "Bad value for 'mode'");
		ctx->mode = result.uint_32;
		break;
	case OPT_UID:
		ctx->uid = result.uid;
		break;
	case OPT_GID:
		ctx->gid = result.gid;
		break;
	case OPT_SIZE:
		error = parse_size(fc, param, &ctx->limit.pages);
		break;
	case OPT_NR_REGIONS:
		if (result.uint_64 > LONG_MAX)
			return invalfc(fc, "Bad value for 'nr_regions'");
		ctx->limit.regions = result.uint_64;
		break;
	}
	ctx->seen |= BIT(opt);
	return error;
}

static int msharefs_fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct msharefs_context *ctx = fc->fs_private;
	struct dentry *info;
	struct inode *inode;

	sb->s_maxbytes = MAX_LFS_FILESIZE;
	sb->s_blocksize = PAGE_SIZE;
	sb->s_blocksize_bits = PAGE_SHIFT;
	sb->s_magic = MSHARE_MAGIC;
	sb->s_op = &msharefs_ops;
	sb->s_time_gran = 1;
	sb->s_iflags |= SB_I_NOEXEC | SB_I_NODEV;

	inode = new_inode_of(sb, NULL, S_IFDIR | ctx->mode);
	if (!inode)
		return -ENOMEM;
	inode->i_uid = ctx->uid;
	inode->i_gid = ctx->gid;
	sb->s_root = d_make_root(inode);
	if (!sb->s_root)
		return -ENOMEM;

	inode = new_inode_of(sb, NULL, S_IFREG | 0444);
	if (!inode)
		return -ENOMEM;
	inode->i_fop = &msharefs_info_operations;
	/* Nobody writes, renames, unlinks or covers it. */
	inode->i_flags |= S_IMMUTABLE;
	info = d_alloc_name(sb->s_root, "mshare_info");
	if (!info) {
		iput(inode);
		return -ENOMEM;
	}
	d_add(info, inode);
	return 0;
}

static int msharefs_get_tree(struct fs_context *fc)
{
	struct msharefs_context *ctx = fc->fs_private;
	struct msharefs_sb *sbi = kzalloc(sizeof(*sbi), GFP_KERNEL);

	if (!sbi)
		return -ENOMEM;
	spin_lock_init(&sbi->lock);
	sbi->limit = ctx->limit;
	fc->s_fs_info = sbi;
	return get_tree_nodev(fc, msharefs_fill_super);
}

static int msharefs_reconfigure(struct fs_context *fc)
{
	struct msharefs_context *ctx = fc->fs_private;
	struct inode *root = d_inode(fc->root);
	struct msharefs_sb *sbi = msharefs_sb_of(fc->root->d_sb);
	struct msharefs_limits limit;
	int error = 0;

	spin_lock(&sbi->lock);
	limit = sbi->limit;
	if (ctx->seen & BIT(OPT_SIZE))
		limit.pages = ctx->limit.pages;
	if (ctx->seen & BIT(OPT_NR_REGIONS))
		limit.regions = ctx->limit.regions;
	if ((limit.pages && sbi->used.pages > limit.pages) ||
	    (limit.regions && sbi->used.regions > limit.regions))
		error = -EINVAL;
	else
		sbi->limit = limit;
	spin_unlock(&sbi->lock);
	if (error)
		return invalfc(fc, "The limit is below what is in use");

	inode_lock(root);
	if (ctx->seen & BIT(OPT_MODE))
		root->i_mode = S_IFDIR | ctx->mode;
	if (ctx->seen & BIT(OPT_UID))
		root->i_uid = ctx->uid;
	if (ctx->seen & BIT(OPT_GID))
		root->i_gid = ctx->gid;
	if (ctx->seen & (BIT(OPT_MODE) | BIT(OPT_UID) | BIT(OPT_GID)))
		inode_set_ctime_current(root);
	inode_unlock(root);
	return 0;
}

static void msharefs_free_context(struct fs_context *fc)
{
	/* What get_tree_nodev() did not hand to a superblock. */
	kfree(fc->s_fs_info);
	kfree(fc->fs_private);
}

static const struct fs_context_operations msharefs_context_ops = {
	.free = msharefs_free_context,
	.parse_param = msharefs_parse_param,
	.get_tree = msharefs_get_tree,
	.reconfigure = msharefs_reconfigure,
};

static int msharefs_init_fs_context(struct fs_context *fc)
{
	struct msharefs_context *ctx = kzalloc(sizeof(*ctx), GFP_KERNEL);

	if (!ctx)
		return -ENOMEM;
	ctx->mode = MSHAREFS_DEFAULT_MODE;
	ctx->uid = current_fsuid();
	ctx->gid = current_fsgid();
	fc->fs_private = ctx;
	fc->ops = &msharefs_context_ops;
	return 0;
}

static void msharefs_kill_sb(struct super_block *sb)
{
	struct msharefs_sb *sbi = msharefs_sb_of(sb);

	kill_litter_super(sb);
	kfree(sbi);
}

static int msharefs_show_options(struct seq_file *m, struct dentry *root)
{
	struct msharefs_sb *sbi = msharefs_sb_of(root->d_sb);
	struct inode *inode = d_inode(root);

	seq_printf(m, ",mode=%03ho", inode->i_mode & 07777);
	seq_printf(m, ",uid=%u",
		   from_kuid_munged(&init_user_ns, inode->i_uid));
	seq_printf(m, ",gid=%u",
		   from_kgid_munged(&init_user_ns, inode->i_gid));
	if (sbi->limit.pages)
		seq_printf(m, ",size=%luk",
			   sbi->limit.pages << (PAGE_SHIFT - 10));
	if (sbi->limit.regions)
		seq_printf(m, ",nr_regions=%ld", sbi->limit.regions);
	return 0;
}

static int msharefs_statfs(struct dentry *dentry, struct kstatfs *buf)
{
	struct msharefs_sb *sbi = msharefs_sb_of(dentry->d_sb);

	simple_statfs(dentry, buf);
	spin_lock(&sbi->lock);
	if (sbi->limit.pages) {
		buf->f_blocks = sbi->limit.pages;
		buf->f_bfree = sbi->limit.pages - sbi->used.pages;
		buf->f_bavail = buf->f_bfree;
	}
	if (sbi->limit.regions) {
		buf->f_files = sbi->limit.regions;
		buf->f_ffree = sbi->limit.regions - sbi->used.regions;
	}
	spin_unlock(&sbi->lock);
	return 0;
}

static const struct super_operations msharefs_ops = {
	.alloc_inode = msharefs_alloc_inode,
	.free_inode = msharefs_free_inode,
	.drop_inode = generic_delete_inode,
	.evict_inode = msharefs_evict_inode,
	.statfs = msharefs_statfs,
	.show_options = msharefs_show_options,
};

static struct file_system_type msharefs_type = {
	.owner = THIS_MODULE,
	.name = "msharefs",
	.init_fs_context = msharefs_init_fs_context,
	.parameters = msharefs_parameters,
	.kill_sb = msharefs_kill_sb,
};

static void init_inode_once(void *object)
{
	struct msharefs_inode *inode = object;

	inode_init_once(&inode->vfs_inode);
}

static int __init msharefs_init(void)
{
	int error;

	msharefs_inode_cache =
		kmem_cache_create("msharefs_inode_cache",
				  sizeof(struct msharefs_inode), 0,
				  SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT,
				  init_inode_once);
	if (!msharefs_inode_cache)
		return -ENOMEM;

	error = sysfs_create_mount_point(fs_kobj, "mshare");
	if (error)
		goto destroy_cache;
	error = register_filesystem(&msharefs_type);
	if (error)
		goto remove_mount_point;
	return 0;

remove_mount_point:
	sysfs_remove_mount_point(fs_kobj, "mshare");
destroy_cache:
	kmem_cache_destroy(msharefs_inode_cache);
	return error;
}
fs_initcall(msharefs_init);
