// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "submission.hpp"

namespace gpu {

submission *submission::create(work what, unsigned uses, unsigned dependencies)
{
	size_t bytes = sizeof(submission) + dependencies * sizeof(resv_fence *) +
		       uses * (sizeof(use) + sizeof(uint32_t));
	auto *s = static_cast<submission *>(resv_port_alloc(bytes));
	if (!s)
		return nullptr;
	s->what = what;
	s->depends = reinterpret_cast<resv_fence **>(s + 1);
	s->uses = reinterpret_cast<use *>(s->depends + dependencies);
	s->places = reinterpret_cast<uint32_t *>(s->uses + uses);
	s->count_of_uses = uses;
	return s;
}

void submission::destroy(submission *s)
{
	if (!s)
		return;
	while (resv_fence *f = s->next_dependency())
		resv_fence_put(f);
	resv_port_free(s);
}

unsigned submission::count(const resv::reservation_object &object, resv::usage up_to)
{
	unsigned n = 0;
	resv::fence_cursor at(object, up_to);
	for (resv::fence *f = at.first(); f; f = at.next())
		n++;
	return n;
}

void submission::wait_for(const resv::reservation_object &object, resv::usage up_to)
{
	resv::fence_cursor at(object, up_to);
	for (resv::fence *f = at.first(); f; f = at.next())
		wait_for(resv_fence_get(f->c()));
}

void submission::wait_for(resv_fence *f)
{
	if (f && resv_fence_test_signaled(f))
		resv_fence_put(f);
	else if (f)
		depends[dependencies++] = f;
}

void submission::begin(const resv_fence_ops &ops, uint64_t timeline, uint64_t seqno)
{
	resv_fence_init(&base, &ops, nullptr, timeline, seqno);
}

void submission::run(page_store &pages)
{
	switch (what) {
	case work::job:
		if (skips_fences)
			execute<unreserved_access>(pages, id, uses, count_of_uses, owner->log, places);
		else
			execute(pages, id, uses, count_of_uses, owner->log, places);
		if (!owner->keeps_log)
			owner->log.forget();
		owner->note_completed();
		break;
	case work::copy:
		if (!loses_copy)
			pages.copy(from, to);
		pages.poison(from);
		break;
	case work::fill:
		pages.clear(to, buffer);
		break;
	}
}

} // namespace gpu
