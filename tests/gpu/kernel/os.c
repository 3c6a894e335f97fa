// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* What the software GPU needs beyond the port: see ../os.hpp. */
#include "driver.h"

#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <resv/port.h>

atomic_t gpu_in_use;

void *gpu_os_allocate(size_t bytes);
void gpu_os_release(void *memory);
void gpu_os_interrupt(resv_port_task task);
void gpu_os_signals_handled(void);

/* What users may map is large, and comes from vmalloc(). Small memory of a size that is a power of two is aligned to it. */
void *gpu_os_allocate(size_t bytes)
{
	void *memory = bytes >= PAGE_SIZE ? vzalloc(bytes)
					  : kzalloc(roundup_pow_of_two(max_t(size_t, bytes, 64)), GFP_KERNEL);

	if (memory)
		atomic_inc(&gpu_in_use);
	return memory;
}

void gpu_os_release(void *memory)
{
	if (memory)
		atomic_dec(&gpu_in_use);
	kvfree(memory);
}

/* There is no signal: the call returns to be restarted, and the way back to user space finds nothing to do. */
void gpu_os_interrupt(resv_port_task task)
{
	struct task_struct *t = (struct task_struct *)task;

	set_tsk_thread_flag(t, TIF_SIGPENDING);
	if (t != current)
		wake_up_process(t);
}

void gpu_os_signals_handled(void)
{
	recalc_sigpending();
}
