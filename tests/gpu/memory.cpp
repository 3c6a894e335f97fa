// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Buffers from their making to their end. Moving them is in evict.cpp.
#include "memory.hpp"

namespace gpu {

constinit const resv_lru_ops memory::lru_ops_ = {.get = memory::get_entry, .put = memory::put_entry};

memory::memory()
	: lrus_{resv::lru(&lru_ops_), resv::lru(&lru_ops_), resv::lru(&lru_ops_)}, handle_lock_(handle_locks)
{}

memory::~memory()
{
	for (buffer *b : handles_)
		if (b)
			put(*b);
	resv_port_drain();
	for (resv::lru &l : lrus_)
		l.destroy();
}

int memory::create(const config &c, resv::ww_class &cls, page_store &pages, ring *engines)
{
	config_ = c;
	cls_ = &cls;
	pages_ = &pages;
	engines_ = engines;
	const unsigned named = c.sessions != 0 ? 0 : c.buffers; // the front's have no handles here
	const unsigned sizes[memories] = {c.vram, c.devices > 1 ? c.vram : 0, c.system ? c.system : most(),
					  most()};
	unsigned total = 0;
	for (unsigned i = 0; i < memories; total += sizes[i++])
		if (!pools_[i].create(total, sizes[i]))
			return -ENOMEM;
	const unsigned page_words = c.sessions != 0 ? max_words + 3 : 8; // users may map them
	if (!pages.create(total, c.words, page_words) ||
	    !left_.create_zeroed(named != 0 ? size_t{named} + max_recycled : 0) ||
	    !handles_.create_zeroed(named))
		return -ENOMEM;
	for (uint32_t i = 0; i < total; i++)
		pages.poison(i);
	for (uint32_t i = 0; i < named; i++) {
		free_place home;
		buffer *b = handles_[i] = make_buffer(i);
		if (!b)
			return -ENOMEM;
		[[maybe_unused]] bool enough = take_below_vram(home);
		b->home.store(home.number, resv::order::relaxed);
		pages.clear(home.number, b->id);
		for (unsigned list = 0; list < buffer::lists; list++)
			lrus_[list].add(b->on[list].entry, b->object);
	}
	return 0;
}

buffer *memory::make_buffer(uint32_t handle)
{
	void *at = resv_port_alloc(sizeof(buffer));
	if (!at)
		return nullptr;
	auto *b = new (place{at}) buffer(*this, *cls_);
	b->id = next_id_.fetch_add(1, resv::order::relaxed);
	b->handle = handle;
	for (buffer::listed &l : b->on)
		l.self = b;
	existing_.fetch_add(1, resv::order::relaxed);
	return b;
}

// System memory, or else the swap store, which has a place for every buffer.
bool memory::take_below_vram(free_place &place)
{
	return pools_[system_memory].take(place) || pools_[swap_store].take(place);
}

void memory::give_back(const free_place &vacated)
{
	for (place_pool &pool : pools_)
		if (pool.has(vacated.number))
			pool.give(vacated);
}

buffer &memory::get(uint32_t handle)
{
	handle_lock_.lock();
	buffer &b = *handles_[handle];
	b.references.fetch_add(1, resv::order::relaxed); // the handle has one
	handle_lock_.unlock();
	return b;
}

void memory::put(buffer &b)
{
	if (b.references.fetch_add(-1u, resv::order::acq_rel) != 1)
		return;
	// Nobody shares its object, so it stays under that one.
	auto *object = reinterpret_cast<resv_object *>(&b.object);
	resv_release_buffer(&b.release, object, object, nullptr, 0, free_buffer);
}

bool memory::get_entry(resv_lru_entry *entry)
{
	return buffer::of(*reinterpret_cast<resv::lru_entry *>(entry)).get_unless_gone();
}

void memory::put_entry(resv_lru_entry *entry)
{
	put(buffer::of(*reinterpret_cast<resv::lru_entry *>(entry)));
}

// All fences have been signaled, so the contents are at home, and nobody uses them.
void memory::free_buffer(resv_release *release)
{
	buffer &b = buffer::of(*release);
	memory &m = *b.owner;
	for (buffer::listed &l : b.on)
		resv::lru::del(l.entry);
	uint32_t home = b.home.load(resv::order::relaxed);
	if (b.id < m.left_.size())
		m.left_[b.id] = m.pages_->read(home);
	m.pages_->poison(home);
	m.give_back({home, nullptr});
	b.object.destroy();
	if (b.of_front) {
		m.config_.front->freed(b.of_front);
		m.promised_.fetch_add(-1u, resv::order::relaxed);
	}
	b.~buffer();
	resv_port_free(&b);
	m.existing_.fetch_add(-1u, resv::order::release);
}

// A buffer with one reference, whose contents a ring writes. Only then others may find it.
int memory::make_filled(uint32_t handle, void *of_front, buffer *&made) RESV_NO_ANALYSIS
{
	submission *fill = submission::create(work::fill, 0, 1);
	if (!fill)
		return -ENOMEM;
	free_place home;
	if (!take_below_vram(home)) {
		submission::destroy(fill);
		return -ENOSPC;
	}
	made = make_buffer(handle);
	if (!made) {
		give_back(home);
		submission::destroy(fill);
		return -ENOMEM;
	}
	buffer &b = *made;
	b.of_front = of_front;
	b.home.store(home.number, resv::order::relaxed);
	fill->to = home.number;
	fill->buffer = b.id;
	fill->wait_for(home.ready);
	[[maybe_unused]] bool unknown = b.object.try_reserve(nullptr); // to anybody else
	[[maybe_unused]] int room = b.object.reserve_fences(1);        // of the four that need no memory
	engines_[0].submit(*fill);
	b.object.add_fence(fill->fence(), resv::usage::kernel);
	b.object.unreserve();
	resv_fence_put(fill->c());
	for (unsigned list = 0; list < buffer::lists; list++)
		lrus_[list].add(b.on[list].entry, b.object);
	return 0;
}

bool memory::recycle(actor &self)
{
	buffer *made;
	if (existing_.load(resv::order::acquire) >= most() || ids() == left_.size() ||
	    make_filled(self.random.below(config_.buffers), nullptr, made) != 0)
		return false;
	handle_lock_.lock();
	buffer &old = *handles_[made->handle];
	handles_[made->handle] = made;
	handle_lock_.unlock();
	put(old);
	self.stats.recycled++;
	return true;
}

// The swap store has a place for each, wherever they are: so who counts before making one keeps it that way.
int memory::make_for_front(void *of_front, buffer *&made)
{
	if (promised_.fetch_add(1, resv::order::relaxed) >= config_.buffers) {
		promised_.fetch_add(-1u, resv::order::relaxed);
		return -ENOSPC;
	}
	int err = make_filled(0, of_front, made);
	if (err != 0)
		promised_.fetch_add(-1u, resv::order::relaxed);
	return err;
}

// Whoever moves it reserves it, and until then it stays.
int memory::wait_at_home(buffer &b, bool interruptible, const void *&page)
{
	int64_t left = b.object.wait(resv::usage::kernel, interruptible);
	if (left < 0)
		return static_cast<int>(left);
	page = pages_->page_at(b.home.load(resv::order::relaxed));
	return 0;
}

unsigned memory::settle()
{
	resv_port_drain();
	for (buffer *b : handles_)
		left_[b->id] = pages_->read(b->home.load(resv::order::relaxed));
	return existing_.load(resv::order::acquire) - static_cast<unsigned>(handles_.size());
}

} // namespace gpu
