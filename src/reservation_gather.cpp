// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// All fences of a reservation object, for who need not hold it: as an array, and as one fence.
#include <resv/reservation.hpp>

namespace resv {

int reservation_object::get_fences(usage up_to, unsigned *num, resv_fence ***fences) const
{
	lockdep::caller from(lockdep::return_address());
	uintptr_t *words;
	int err = collect(up_to, num, &words);
	if (err != 0) {
		*num = 0;
		*fences = nullptr;
		return err;
	}
	// One array becomes the other: an address takes the place of an address with its usage.
	static_assert(sizeof(resv_fence *) == sizeof(uintptr_t));
	for (unsigned i = 0; i < *num; i++) {
		resv_fence *f = in_word(words[i]).c();
		__builtin_memcpy(&words[i], &f, sizeof(f));
	}
	*fences = reinterpret_cast<resv_fence **>(words);
	return 0;
}

int reservation_object::get_singleton(usage up_to, resv_fence **single) const
{
	lockdep::caller from(lockdep::return_address());
	unsigned num;
	resv_fence **fences;
	*single = nullptr;
	int err = get_fences(up_to, &num, &fences);
	if (err != 0 || num == 0)
		return err;
	if (num == 1) {
		*single = fences[0];
		resv_port_free(fences);
		return 0;
	}
	*single =
		resv_fence_array_create(static_cast<int>(num), fences, resv_fence_context_alloc(1), 1, false);
	if (*single)
		return 0;
	while (num != 0)
		resv_fence_put(fences[--num]);
	resv_port_free(fences);
	return -ENOMEM;
}

} // namespace resv
