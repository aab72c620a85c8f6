#!/bin/sh
# Runs once as the first process of a new disk, started by the builder with -kernel: puts GRUB on the disk, as an
# installation does, and powers off. It works from /run so that the root can be made read-only at the end.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
if [ "$0" != /run/firstboot.sh ]; then
	mount -t proc proc /proc
	mount -t devtmpfs dev /dev 2>/dev/null
	mount -o remount,rw /
	mount -t tmpfs tmpfs /run
	cp /firstboot.sh /run/firstboot.sh
	exec /bin/sh /run/firstboot.sh
fi
grub-install /dev/vda && update-grub && rm /firstboot.sh && sync && mount -o remount,ro / &&
	echo "MSHARE-FIRSTBOOT-OK"
echo o >/proc/sysrq-trigger
sleep 60
