/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Breaks a rule, and says so if it gets past that. */
#include <resv/resv.h>

#include <stdio.h>

int main(void)
{
	struct resv_object obj;

	resv_init(&obj);
	resv_unlock(&obj);
	puts("went on");
	return 0;
}
