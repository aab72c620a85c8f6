/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#define MSHARE_TOY 1
