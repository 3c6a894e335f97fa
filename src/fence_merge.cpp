// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What fences are made of, and one fence out of many.
#include "fence_array.hpp"

namespace resv {

namespace {

// What the cursor points to: a link's fence, or what the chain ends with; and in that, a member.
resv_fence *current(const resv_fence_unwrap &cursor)
{
	if (!cursor.array || !resv_fence_is_array(cursor.array))
		return cursor.index == 0 ? cursor.array : nullptr;
	return fence_array::of(cursor.array).at(cursor.index);
}

// Walks along the chain to where there is a fence.
resv_fence *settle(resv_fence_unwrap &cursor)
{
	while (cursor.chain) {
		cursor.array = resv_fence_chain_contained(cursor.chain);
		cursor.index = 0;
		if (resv_fence *f = current(cursor))
			return f;
		cursor.chain = resv_fence_chain_walk(cursor.chain);
	}
	return nullptr;
}

// By timeline; on each, the latest first.
bool before(const resv_fence *a, const resv_fence *b)
{
	return a->context != b->context ? a->context < b->context : a->seqno > b->seqno;
}

// A heap whose parent comes last: `at` goes down until its children come before it.
void sift_down(resv_fence **fences, unsigned at, unsigned count)
{
	for (unsigned child = 2 * at + 1; child < count; child = 2 * at + 1) {
		if (child + 1 < count && before(fences[child], fences[child + 1]))
			child++;
		if (!before(fences[at], fences[child]))
			return;
		resv_fence *up = fences[child];
		fences[child] = fences[at];
		fences[at] = up;
		at = child;
	}
}

void sort(resv_fence **fences, unsigned count)
{
	for (unsigned i = count / 2; i-- != 0;)
		sift_down(fences, i, count);
	for (unsigned left = count; left > 1;) {
		resv_fence *last = fences[0];
		fences[0] = fences[--left];
		fences[left] = last;
		sift_down(fences, 0, left);
	}
}

// Leaves the first of each timeline, and drops the references to the others. Returns how many there are.
unsigned leave_latest(resv_fence **fences, unsigned count)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < count; i++) {
		if (kept != 0 && fences[kept - 1]->context == fences[i]->context)
			resv_fence_put(fences[i]);
		else
			fences[kept++] = fences[i];
	}
	return kept;
}

resv_fence *make_signaled(int64_t timestamp_ns)
{
	if (timestamp_ns == 0)
		return resv_fence_get_stub();
	auto *f = static_cast<resv_fence *>(resv_port_alloc(sizeof(resv_fence)));
	if (f) {
		resv_fence_init(f, nullptr, nullptr, 0, 0);
		resv_fence_signal_timestamp(f, timestamp_ns);
	}
	return f;
}

// Calls `take` with each fence that is not signaled. Returns the latest timestamp among the others, or 0.
template <typename F>
int64_t each_unsignaled(unsigned num_fences, resv_fence **fences, F take)
{
	int64_t latest = 0;
	for (unsigned i = 0; i < num_fences; i++) {
		resv_fence_unwrap cursor;
		resv_fence *f;
		resv_fence_unwrap_for_each(f, &cursor, fences[i])
		{
			if (!resv_fence_is_signaled(f))
				take(f);
			else if (resv_fence_timestamp(f) > latest)
				latest = resv_fence_timestamp(f);
		}
	}
	return latest;
}

} // namespace

} // namespace resv

using namespace resv;

resv_fence *resv_fence_unwrap_first(resv_fence *head, resv_fence_unwrap *cursor)
{
	cursor->chain = resv_fence_get(head);
	return settle(*cursor);
}

resv_fence *resv_fence_unwrap_next(resv_fence_unwrap *cursor)
{
	cursor->index++;
	if (resv_fence *f = current(*cursor))
		return f;
	cursor->chain = resv_fence_chain_walk(cursor->chain);
	return settle(*cursor);
}

resv_fence *resv_fence_merge(unsigned num_fences, resv_fence **fences)
{
	unsigned expected = 0;
	int64_t latest = each_unsignaled(num_fences, fences, [&](resv_fence *) { expected++; });
	if (expected == 0)
		return make_signaled(latest);

	auto **members = static_cast<resv_fence **>(resv_port_alloc(expected * sizeof(resv_fence *)));
	if (!members)
		return nullptr;
	// There cannot be more now: chains get no links in the middle.
	unsigned count = 0;
	latest = each_unsignaled(num_fences, fences,
				 [&](resv_fence *f) { members[count++] = resv_fence_get(f); });
	sort(members, count);
	count = leave_latest(members, count);

	resv_fence *merged = count == 0 ? make_signaled(latest) : nullptr;
	if (count == 1)
		merged = members[0];
	if (count > 1)
		merged = resv_fence_array_create(static_cast<int>(count), members,
						 resv_fence_context_alloc(1), 1, false);
	if (merged && count > 1)
		return merged;
	if (!merged)
		while (count-- != 0)
			resv_fence_put(members[count]);
	resv_port_free(members);
	return merged;
}
