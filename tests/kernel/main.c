// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include <linux/module.h>

#include <resv/resv.h>
#include <resv_port/linux.h>

static int __init resv_test_init(void)
{
	struct resv_object obj;
	int err = resv_linux_init();

	if (err)
		return err;
	resv_init(&obj);
	err = resv_lock(&obj, NULL);
	pr_info("locked %d\n", err);
	resv_unlock(&obj);
	resv_fini(&obj);
	return 0;
}

static void __exit resv_test_exit(void)
{
	resv_linux_exit();
}

module_init(resv_test_init);
module_exit(resv_test_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Tests of resv");
