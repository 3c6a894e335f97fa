// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The memory of the machine: words and their lives, what an execution's state is, and how to go back to one.
#include "detail.hpp"
#include "machine.hpp"

namespace resv::sim {

namespace {

// As in wyhash: two words at a time, multiplied to 128 bits and folded, in two lanes.
uint64_t hash_of(const void *memory, size_t size)
{
	__extension__ using wide = unsigned __int128;
	constexpr uint64_t first = 0xa0761d6478bd642f, second = 0xe7037ed1a0b428db;
	auto fold = [](uint64_t a, uint64_t b) {
		wide product = wide{a} * b;
		return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
	};
	auto *at = static_cast<const char *>(memory);
	uint64_t a = size, b = size ^ first;
	for (; size >= 32; size -= 32, at += 32) {
		a = fold(read_word(at, 8) ^ first, read_word(at + 8, 8) ^ a);
		b = fold(read_word(at + 16, 8) ^ second, read_word(at + 24, 8) ^ b);
	}
	for (; size >= 8; size -= 8, at += 8)
		a = mix(a, read_word(at, 8));
	return mix(mix(a, b), read_word(at, static_cast<unsigned>(size)));
}

} // namespace

size_t machine::place_of(const void *address) const
{
	size_t at = (reinterpret_cast<uintptr_t>(address) * 0x9e3779b97f4a7c15u) >> 52;
	while (table_[at].address && table_[at].address != address)
		at = (at + 1) % table_size;
	return at;
}

unsigned machine::lives(const void *address) const
{
	const location &found = table_[place_of(address)];
	return found.execution == execution_ && found.alive && found.life != 0 ? found.size : 0;
}

location &machine::find(void *address, unsigned size, bool begins)
{
	location &found = table_[place_of(address)];
	if (found.execution != execution_) {
		about_to_change(found);
		found.address = address;
		found.size = size;
		found.alive = true;
		found.life = 0;
		found.execution = execution_;
		found.writes.clear();
		found.reads.clear();
		if (!begins && !found.is_static && !shares(address)) {
			found.is_static = true;
			statics_.push_back({address, size, read_word(address, size)});
		}
	}
	return found;
}

void machine::share(void *address, size_t size)
{
	shared_.push_back({address, size});
}

bool machine::shares(const void *address) const
{
	auto at = static_cast<const char *>(address);
	return std::any_of(shared_.begin(), shared_.end(), [at](const region &r) {
		auto begin = static_cast<const char *>(r.address);
		return at >= begin && at < begin + r.size;
	});
}

uint64_t machine::state()
{
	uint64_t h = dead_;
	for (const region &memory : shared_)
		h = mix(h, hash_of(memory.address, memory.size));
	for (const original &word : statics_)
		h = mix(h, read_word(word.address, word.size));
	for (unsigned i = 0; i < count_; i++) {
		const fiber &t = tasks_[i];
		auto *sp = static_cast<const char *>(t.context);
		h = mix(h, t.dead ? 1 : hash_of(sp, static_cast<size_t>(t.top() - sp)));
		uint64_t flags = t.woken | unsigned{t.dead} << 1 | unsigned{t.signals} << 2 |
				 unsigned{t.may_leave} << 3 | t.spurious << 4 |
				 static_cast<unsigned>(t.pins) << 8;
		if (t.awaits && t.next.where->writes.size() == t.last_version)
			flags |= 1u << 31;
		h = mix(h, flags);
		for (const buffered &entry : t.buffer)
			h = mix(h, mix(reinterpret_cast<uintptr_t>(entry.where->address) +
					       static_cast<unsigned>(entry.what),
				       entry.value + (entry.life == entry.where->life)));
	}
	return h;
}

// A task sees its own stores before others do.
uint64_t machine::seen_by(const fiber &task, const void *address, unsigned size)
{
	for (const buffered *entry = task.buffer.end(); entry-- != task.buffer.begin();)
		if (entry->where->address == address && entry->what == action::store &&
		    entry->life == entry->where->life)
			return entry->value;
	return read_word(address, size);
}

// ---- Going back ---------------------------------------------------------------------------------------------------

// All memory that executions change, but for what the machine knows of it: each piece in turn, always in one order.
template <typename F>
void machine::for_memory(size_t statics, F each)
{
	for (unsigned i = 0; i < count_; i++) {
		char *top = tasks_[i].top();
		char *lowest = std::min(static_cast<char *>(tasks_[i].context), top - used_stack);
		each(lowest, static_cast<size_t>(top - lowest));
	}
	for (const region &r : shared_)
		each(static_cast<char *>(r.address), r.size);
	for (size_t i = 0; i < statics; i++)
		each(static_cast<char *>(statics_[i].address), statics_[i].size);
}

void machine::about_to_change(location &where)
{
	changes_.push_back({&where, where.alive, where.life, where.execution, where.writes.size()});
}

void machine::save()
{
	if (saved_count_ == saved_.size())
		saved_.emplace_back();
	snapshot &to = saved_[saved_count_++];
	to.steps = steps_.size();
	to.decisions = decisions_.size();
	to.changes = changes_.size();
	to.statics = statics_.size();
	to.reported = reported_.size();
	to.dead = dead_;
	std::copy_n(tasks_, count_, to.tasks);
	to.memory.clear();
	for_memory(to.statics,
		   [&](const char *at, size_t size) { to.memory.insert(to.memory.end(), at, at + size); });
}

// Static words that were met only later still had their first value.
void machine::go_back()
{
	const snapshot &from = saved_[saved_count_ - 1];
	for (unsigned i = 0; i < count_; i++)
		static_cast<progress &>(tasks_[i]) = from.tasks[i];
	const char *next = from.memory.data();
	for_memory(from.statics, [&](char *at, size_t size) {
		put_back(at, next, size);
		next += size;
	});
	for (size_t i = from.statics; i < statics_.size(); i++)
		put_back(statics_[i].address, &statics_[i].value, statics_[i].size);
	for (; changes_.size() > from.changes; changes_.pop_back()) {
		const past &c = changes_.back();
		c.where->alive = c.alive;
		c.where->life = c.life;
		c.where->execution = c.execution;
		c.where->writes.resize(c.writes);
	}
	steps_.resize(from.steps);
	decisions_.resize(from.decisions);
	reported_.resize(from.reported);
	dead_ = from.dead;
}

} // namespace resv::sim
