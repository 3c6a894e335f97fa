/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* A C program that knows the library only through pkg-config. */
#include <resv/resv.h>

int main(void)
{
	struct resv_object object;
	int err;

	resv_init(&object);
	err = resv_lock(&object, NULL);
	if (err)
		return -err;
	resv_unlock(&object);
	resv_fini(&object);
	return 0;
}
