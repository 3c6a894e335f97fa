// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The program that times the locks and what is made of them.
#include "plan.hpp"

void bench::plan_all(plan &p)
{
	plan_uncontended(p);
	plan_trylock(p);
	plan_hint(p);
	plan_lru(p);
	plan_fences(p);
}
