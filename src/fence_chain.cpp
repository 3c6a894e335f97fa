// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Chains of fences. Each link has a reference to the one before, and whoever walks along drops those that are signaled.
//
//   who drops a link, in find_prev()               who walks, in get_prev()
//   [W] prev_ = the one before it (release)        in a read-side section: [R] prev_ (acquire)
//   drops its reference to the link                takes a reference; if the link's last is gone, prev_ has
//   freed when all sections have ended             changed: reads it again
//
// A link hangs its one callback on the first fence in the chain that is not signaled; when that is, deferred work looks
// for the next one. The callback comes under that fence's lock, where other fences' locks may not be taken.
#include "fence_chain.hpp"

#include "../lockdep/in_place.hpp"

namespace resv {

using core = fence_core;

static_assert(fits<fence_chain, resv_fence_chain>());

namespace {

const char *driver_name(resv_fence *)
{
	return "resv";
}

const char *timeline_name(resv_fence *)
{
	return "chain";
}

// Walks a chain from a fence on, which need not be a link, with a reference to where it is.
class chain_walk {
public:
	explicit chain_walk(resv_fence *head) : at_(resv_fence_get(head)) {}
	~chain_walk() { resv_fence_put(at_); }
	chain_walk(const chain_walk &) = delete;
	chain_walk &operator=(const chain_walk &) = delete;

	explicit operator bool() const { return at_; }
	resv_fence *at() const { return at_; }
	void next() { at_ = resv_fence_chain_walk(at_); }
	resv_fence *contained() const { return resv_fence_chain_contained(at_); }
	/// The reference where it is, for the caller.
	resv_fence *release()
	{
		resv_fence *f = at_;
		at_ = nullptr;
		return f;
	}

private:
	resv_fence *at_;
};

} // namespace

constinit const resv_fence_ops fence_chain::ops{.get_driver_name = driver_name,
						.get_timeline_name = timeline_name,
						.enable_signaling = enable,
						.signaled = happened,
						.release = destroy,
						.set_deadline = hurry};

fence_chain::fence_chain(resv_fence *before, resv_fence *its_fence, uint64_t its_context, uint64_t its_seqno,
			 uint64_t seqno_before)
	: fence(&ops, nullptr, its_context, its_seqno), resv_fence_cb{}, resv_port_work{nullptr, go_on},
	  prev_(before), prev_seqno_(seqno_before), contained_(its_fence)
{
	core::make_container(*this);
}

resv_fence *fence_chain::get_prev()
{
	resv_port_read_lock();
	resv_fence *before = prev_.load(order::acquire);
	while (before && !resv_fence_get_rcu(before))
		before = prev_.load(order::acquire);
	resv_port_read_unlock();
	return before;
}

resv_fence *fence_chain::find_prev()
{
	while (resv_fence *before = get_prev()) {
		fence_chain *link = maybe(before);
		if (!resv_fence_is_signaled(link ? link->contained_ : before))
			return before;
		resv_fence *instead = link ? link->get_prev() : nullptr;
		const bool dropped = prev_.compare_exchange(before, instead, order::acq_rel);
		resv_fence_put(dropped ? before
				       : instead); // the chain's reference, or one that it does not take
		resv_fence_put(before);
	}
	return nullptr;
}

// With a reference of the callback's to the head. Under the head's lock, or in go_on(), where nobody else enables it.
bool fence_chain::enable(resv_fence *f)
{
	fence_chain &head = of(fence::of(f));
	resv_fence_get(f);
	for (chain_walk walk(f); walk; walk.next()) {
		resv_fence *contained = resv_fence_get(walk.contained());
		if (resv_fence_add_callback(contained, &head, contained_signaled) == 0)
			return true;
		resv_fence_put(contained);
	}
	resv_fence_put(f); // not the last: the caller has one
	return false;
}

void fence_chain::contained_signaled(resv_fence *f, resv_fence_cb *cb)
{
	resv_port_defer(static_cast<fence_chain *>(cb));
	resv_fence_put(f);
}

void fence_chain::go_on(resv_port_work *work)
{
	resv_fence *f = static_cast<fence_chain *>(work)->c();
	if (!enable(f))
		resv_fence_signal(f);
	resv_fence_put(f);
}

bool fence_chain::happened(resv_fence *f)
{
	for (chain_walk walk(f); walk; walk.next())
		if (!resv_fence_is_signaled(walk.contained()))
			return false;
	return true;
}

void fence_chain::hurry(resv_fence *f, int64_t deadline_ns)
{
	for (chain_walk walk(f); walk; walk.next())
		resv_fence_set_deadline(walk.contained(), deadline_ns);
}

// One after another, where each would release the one before: a chain may be longer than any stack is deep.
void fence_chain::destroy(resv_fence *f)
{
	for (;;) {
		fence_chain &link = of(fence::of(f));
		resv_fence *before =
			link.prev_.load(order::relaxed); // nobody else has a reference to the link
		resv_fence_put(link.contained_);
		resv_fence_free(f);
		if (!maybe(before))
			return resv_fence_put(before);
		if (!core::drop(fence::of(before)))
			return;
		f = before;
	}
}

} // namespace resv

using namespace resv;

resv_fence_chain *resv_fence_chain_alloc()
{
	return static_cast<resv_fence_chain *>(resv_port_alloc(sizeof(resv_fence_chain)));
}

void resv_fence_chain_free(resv_fence_chain *chain)
{
	resv_port_free(chain);
}

void resv_fence_chain_init(resv_fence_chain *chain, resv_fence *prev, resv_fence *f, uint64_t seqno)
{
	const fence_chain *prev_link = fence_chain::maybe(prev);
	const bool follows = prev_link && seqno > prev->seqno;
	uint64_t context = follows ? prev->context : resv_fence_context_alloc(1);
	if (prev_link && !follows)
		seqno = prev->seqno;
	new (chain, in_place) fence_chain(prev, f, context, seqno, follows ? prev->seqno : 0);
	if (fence_chain::maybe(f))
		core::say(RESV_REPORT_FENCE_NESTED, fence::of(f));
}

resv_fence *resv_fence_chain_walk(resv_fence *f)
{
	fence_chain *link = fence_chain::maybe(f);
	resv_fence *prev = link ? link->find_prev() : nullptr;
	resv_fence_put(f);
	return prev;
}

int resv_fence_chain_find_seqno(resv_fence **pfence, uint64_t seqno)
{
	if (seqno == 0)
		return 0;
	resv_fence *head = *pfence;
	if (!fence_chain::maybe(head) || head->seqno < seqno)
		return -EINVAL;

	chain_walk walk(head);
	while (walk) {
		const fence_chain *link = fence_chain::maybe(walk.at());
		if (!link || link->context != head->context || link->prev_seqno() < seqno)
			break;
		walk.next();
	}
	*pfence = walk.release();
	resv_fence_put(head);
	return 0;
}

resv_fence *resv_fence_chain_contained(resv_fence *f)
{
	fence_chain *link = fence_chain::maybe(f);
	return link ? link->contained() : f;
}

bool resv_fence_is_chain(const resv_fence *f)
{
	return fence_chain::is(fence::of(f));
}
