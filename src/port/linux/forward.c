// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * What the annotator is told, told to the kernel's lockdep as well.
 *
 * Lockdep wants a lockdep_map for a lock, which stays while the lock is held. Our locks have no room for one, so there
 * is one for each class. Lockdep thinks in classes, too; but where its reports name a lock, they name that map, and of
 * two locks of a class that a task holds, which do not nest in the same, it may take one's release for the other's.
 */
#include <linux/build_bug.h>
#include <linux/lockdep.h>

#include <resv/lockdep.h>

#include "port.h"

static struct lockdep_map maps[RESV_LOCKDEP_CLASSES];

static u8 wait_type(unsigned int type)
{
	switch (type) {
	case RESV_LD_WAIT_FREE:
		return LD_WAIT_FREE;
	case RESV_LD_WAIT_SPIN:
		return LD_WAIT_SPIN;
	case RESV_LD_WAIT_CONFIG:
		return LD_WAIT_CONFIG;
	case RESV_LD_WAIT_SLEEP:
		return LD_WAIT_SLEEP;
	default:
		return LD_WAIT_INV;
	}
}

static struct lockdep_map *map_of(unsigned int cls)
{
	return cls ? &maps[cls] : NULL;
}

/* Our keys are as static as the kernel's, and of both only addresses matter, one for each subclass. */
void resv_port_lockdep_class(unsigned int cls, const char *name, const void *key, unsigned int subclass,
			     unsigned int inner, unsigned int outer, bool overrides)
{
	u8 type = LD_LOCK_NORMAL;

	BUILD_BUG_ON(sizeof(struct lockdep_subclass_key) != 1);
	BUILD_BUG_ON(MAX_LOCKDEP_SUBCLASSES != 8);
	if (overrides) {
#ifdef RESV_LINUX_HAS_WAIT_OVERRIDE
		type = LD_LOCK_WAIT_OVERRIDE;
#else
		inner = RESV_LD_WAIT_INV; /* not checked */
#endif
	}
	lockdep_init_map_type(&maps[cls], name, (struct lock_class_key *)key, (int)subclass, wait_type(inner),
			      wait_type(outer), type);
}

void resv_port_lockdep_acquire(unsigned int cls, int trylock, int read, int check, unsigned int nest,
			       unsigned long ip)
{
	lock_acquire(&maps[cls], 0, trylock, read, check, map_of(nest), ip);
}

void resv_port_lockdep_release(unsigned int cls, unsigned long ip)
{
	lock_release(&maps[cls], ip);
}

void resv_port_lockdep_sync(unsigned int cls, int read, unsigned int nest, unsigned long ip)
{
#ifdef RESV_LINUX_HAS_LOCK_SYNC
	lock_sync(&maps[cls], 0, read, 1, map_of(nest), ip);
#else
	lock_acquire(&maps[cls], 0, 0, read, 1, map_of(nest), ip);
	lock_release(&maps[cls], ip);
#endif
}
