// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The C ABI of descriptions.
#include "c_api.hpp"

#include <resv/lru.hpp>

using namespace resv;

extern "C" {

void resv_ww_mutex_describe(resv_ww_mutex *lock, void (*emit)(const char *line, void *data), void *data)
{
	of(lock).describe(emit, data);
}

void resv_describe(resv_object *obj, void (*emit)(const char *line, void *data), void *data)
{
	of(obj).describe(emit, data);
}

void resv_lru_describe(resv_lru *l, void (*emit)(const char *line, void *data), void *data)
{
	in<lru>(l).describe(emit, data);
}

} // extern "C"
