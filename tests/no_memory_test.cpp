// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Every operation that needs memory, with each of its allocations failing in its turn: it says so, nothing has changed,
// nothing leaks, and when there is memory again it succeeds. And all the others, which must need none.

#include "fence_rig.hpp"
#include "lru_helpers.hpp"

#include <src/fence_core.hpp>

#include <resv/resv.h>

#include <array>

namespace resv::test {
namespace {

/// What operations are tried on. The fixture sees to it that nothing is left of it.
struct scene {
	static constexpr unsigned many = 9; // more than an object has room for, or a waiter

	scene()
	{
		const uint64_t timeline = resv_fence_context_alloc(1);
		for (unsigned i = 0; i < many; i++) {
			fences.push_back(make_fence());
			links.push_back(make_link(i == 0 ? fence_ref() : links.back(), fences.back(), i + 1));
			EXPECT_EQ(resv_fence_signal_timestamp(over.emplace_back(make_fence(timeline, i)).c(),
							      i + 1),
				  0);
		}
		reserved held(full);
		fill(full, many);
	}
	~scene()
	{
		for (reservation_object *each : objects())
			each->destroy();
		for (fence_ref &f : fences)
			f->signal();
	}
	scene(const scene &) = delete;
	scene &operator=(const scene &) = delete;

	void fill(reservation_object &object, unsigned n)
	{
		EXPECT_EQ(object.reserve_fences(n), 0);
		for (unsigned i = 0; i < n; i++)
			EXPECT_EQ(object.add_fence(*fences[i], usage::write), 0);
	}
	std::vector<reservation_object *> objects() { return {&empty, &other, &full}; }

	/// All of it that could change.
	std::string state()
	{
		std::string s;
		for (reservation_object *each : objects()) {
			s += each->is_reserved() ? " reserved:" : " free:";
			fence_cursor c(*each, usage::bookkeep);
			for (fence *f = c.first_unlocked(); f; f = c.next_unlocked())
				s += " " + std::to_string(f->context);
		}
		for (const std::vector<fence_ref> *each : {&fences, &over, &links}) {
			s += " references:";
			for (const fence_ref &f : *each)
				s += " " + std::to_string(references(f));
		}
		return s;
	}
	static unsigned references(const fence_ref &f)
	{
		return fence_core::references(*f).load(order::relaxed);
	}

	reservation_object empty, other, full;
	std::vector<fence_ref> fences, over, links; // not signaled; signaled; one chain of `fences`
	resv_fence *made = nullptr;                 // by the operation
	resv_fence **list = nullptr;                // to be taken over by it, or made by it
	unsigned count = 0;
	std::optional<calm_lru_transaction> t;
	resv_exec exec;
};

int made_or(resv_fence *f)
{
	return f ? 0 : -ENOMEM;
}

/// The operation, what is done before each try, and after it.
struct operation {
	const char *name;
	unsigned long allocations; // at least
	int (*run)(scene &s);
	void (*before)(scene &s) = [](scene &) {};
	void (*after)(scene &s) = [](scene &) {};
};

void drop_list(scene &s)
{
	while (s.count != 0)
		resv_fence_put(s.list[--s.count]);
	resv_port_free(std::exchange(s.list, nullptr));
}
void drop_made(scene &s)
{
	resv_fence_put(std::exchange(s.made, nullptr));
}
template <reservation_object scene::*object>
void hold(scene &s)
{
	EXPECT_TRUE((s.*object).try_reserve(nullptr));
}
template <reservation_object scene::*object>
void unhold(scene &s)
{
	(s.*object).unreserve();
}
void begin_transaction(scene &s)
{
	s.t.emplace();
}
void end_transaction(scene &s)
{
	s.t.reset();
}
void begin_exec(scene &s)
{
	resv_exec_init(&s.exec, RESV_EXEC_IGNORE_DUPLICATES);
	outlast_injection(reinterpret_cast<transaction &>(s.exec).context());
}
void end_exec(scene &s)
{
	resv_exec_fini(&s.exec);
}
void give_list(scene &s)
{
	s.list = given_array(s.fences);
	s.count = scene::many;
}
void take_back_list(scene &s)
{
	if (s.made)
		s.count = 0, s.list = nullptr;
	drop_made(s);
	drop_list(s);
}

const operation operations[] = {
	{"reserve_fences", 1, [](scene &s) { return s.empty.reserve_fences(5); }, hold<&scene::empty>,
	 unhold<&scene::empty>},
	{"reserve_fences_in_a_table", 1, [](scene &s) { return s.full.reserve_fences(100); },
	 hold<&scene::full>, unhold<&scene::full>},
	{"resv_reserve_fences", 1, [](scene &s) { return resv_reserve_fences(in_c(s.empty), 5); },
	 hold<&scene::empty>, unhold<&scene::empty>},
	{"copy_fences", 4, [](scene &s) { return s.empty.copy_fences(s.full); }, hold<&scene::empty>,
	 unhold<&scene::empty>},
	{"copy_fences_in_place_of_others", 1, [](scene &s) { return s.full.copy_fences(s.other); },
	 [](scene &s) {
		 hold<&scene::full>(s);
		 reserved held(s.other);
		 s.fill(s.other, 1);
	 },
	 unhold<&scene::full>},
	{"get_fences", 3, [](scene &s) { return s.full.get_fences(usage::bookkeep, &s.count, &s.list); },
	 [](scene &) {}, drop_list},
	{"get_singleton", 4, [](scene &s) { return s.full.get_singleton(usage::read, &s.made); },
	 [](scene &) {}, drop_made},
	{"array", 1,
	 [](scene &s) { return made_or(s.made = resv_fence_array_create(scene::many, s.list, 1, 1, false)); },
	 give_list, take_back_list},
	{"chain", 1,
	 [](scene &s) {
		 resv_fence_chain *link = resv_fence_chain_alloc();
		 if (link) {
			 resv_fence_chain_init(link, nullptr, given(s.fences[0]), 1);
			 s.made = &link->base;
		 }
		 return made_or(s.made);
	 },
	 [](scene &) {}, drop_made},
	{"merge", 2,
	 [](scene &s) { return made_or(s.made = resv_fence_merge(scene::many, in_c(s.fences).data())); },
	 [](scene &) {}, drop_made},
	{"merge_of_a_chain", 2,
	 [](scene &s) {
		 return made_or(s.made = resv_fence_merge(1, in_c(std::vector{s.links.back()}).data()));
	 },
	 [](scene &) {}, drop_made},
	{"merge_of_what_is_over", 1,
	 [](scene &s) { return made_or(s.made = resv_fence_merge(scene::many, in_c(s.over).data())); },
	 [](scene &) {}, drop_made},
	{"wait_any", 1,
	 [](scene &s) {
		 return static_cast<int>(
			 resv_fence_wait_any_timeout(in_c(s.fences).data(), scene::many, false, 1, nullptr));
	 }},
	{"prepare", 2,
	 [](scene &s) {
		 return s.t->prepare(std::array{&s.full, &s.empty, &s.other}, 20);
	 },
	 begin_transaction, end_transaction},
	{"prepare_one", 1, [](scene &s) { return s.t->prepare_one(s.empty, 5); }, begin_transaction,
	 end_transaction},
	{"prepare_one_again", 1,
	 [](scene &s) {
		 int err = s.t->prepare_one(s.empty, 5);
		 return err == -EALREADY ? 0 : err;
	 },
	 [](scene &s) {
		 begin_transaction(s);
		 EXPECT_EQ(s.t->reserve_one(s.empty), 0);
	 },
	 end_transaction},
	{"prepare_in_a_run", 2,
	 [](scene &s) {
		 return s.t->run([&](transaction &t) {
			 int err = t.prepare_one(s.empty, 5);
			 return err ? err : t.prepare_one(s.full, 100);
		 });
	 },
	 begin_transaction, end_transaction},
	{"resv_exec_prepare_obj", 1,
	 [](scene &s) { return resv_exec_prepare_obj(&s.exec, in_c(s.full), 100); }, begin_exec, end_exec},
	{"resv_exec_prepare_array_again", 1,
	 [](scene &s) {
		 resv_object *objs[] = {in_c(s.full), in_c(s.full)};
		 return resv_exec_prepare_array(&s.exec, objs, 2, 100);
	 },
	 [](scene &s) {
		 begin_exec(s);
		 EXPECT_EQ(resv_exec_lock_obj(&s.exec, in_c(s.full)), 0);
	 },
	 end_exec},
	{"resv_exec_reserve", 2,
	 [](scene &s) {
		 resv_object *objs[] = {in_c(s.other), in_c(s.empty), in_c(s.full)};
		 return resv_exec_reserve(&s.exec, objs, 3, 100);
	 },
	 begin_exec, end_exec},
};

class no_memory : public fence_fixture, public testing::WithParamInterface<operation> {};
std::string operation_name(const testing::TestParamInfo<operation> &info)
{
	return info.param.name;
}
INSTANTIATE_TEST_SUITE_P(each, no_memory, testing::ValuesIn(operations), operation_name);

TEST_P(no_memory, says_so_and_changes_nothing)
{
	const operation &op = GetParam();
	for (unsigned long fails = 0;; fails++) {
		scene s; // anew: growth that succeeded would need no memory the next time
		op.before(s);
		const std::string state = s.state();

		resv_host_fail_alloc(fails);
		int err = op.run(s);
		if (!resv_host_end_fail_alloc()) {
			EXPECT_EQ(err, 0);
			op.after(s);
			EXPECT_GE(fails, op.allocations);
			break;
		}
		EXPECT_EQ(err, -ENOMEM) << fails;
		EXPECT_EQ(s.state(), state) << fails;
		op.after(s);
		op.before(s);
		EXPECT_EQ(op.run(s), 0) << fails;
		op.after(s);
	}
}

// ---- What needs none ---------------------------------------------------------------------------------------------------

class no_memory_needed : public with_lru {
protected:
	~no_memory_needed() override
	{
		for (fence_ref &f : fences)
			f->signal();
	}

	/// Runs it while there is no memory.
	template <typename F>
	void without_memory(F f)
	{
		resv_host_fail_alloc(0);
		f();
		EXPECT_FALSE(resv_host_end_fail_alloc());
	}

	std::vector<fence_ref> fences = std::vector<fence_ref>(8);
	std::vector<resv_fence *> list;
	no_memory_needed()
	{
		for (fence_ref &f : fences)
			f = make_fence();
		list = in_c(fences);
	}
};

TEST_F(no_memory_needed, by_fences)
{
	resv_fence_chain *memory[] = {resv_fence_chain_alloc(), resv_fence_chain_alloc()};
	note n;
	unsigned idx = 9, met = 0;
	without_memory([&] {
		EXPECT_EQ(n.add_to(fences[0]), 0);
		EXPECT_EQ(fences[0]->wait_timeout(false, 1), 0);
		EXPECT_EQ(resv_fence_wait_any_timeout(list.data(), 8, false, 1, &idx), 0);
		fences[0]->set_deadline(1);
		resv_fence_chain_init(memory[0], nullptr, given(fences[0]), 1);
		resv_fence_chain_init(memory[1], &memory[0]->base, given(fences[1]), 2);
		resv_fence_unwrap cursor;
		resv_fence *f, *link = resv_fence_get(&memory[1]->base);
		resv_fence_unwrap_for_each(f, &cursor, link) met++;
		EXPECT_EQ(resv_fence_chain_find_seqno(&link, 1), 0);
		EXPECT_EQ(link, &memory[0]->base);
		EXPECT_EQ(resv_fence_wait_timeout(link, false, 1), 0);
		EXPECT_EQ(fences[0]->signal(), 0);
		EXPECT_EQ(resv_fence_wait(link, false), 0);
		resv_fence_put(link);
		resv_fence_put(&memory[1]->base);
	});
	EXPECT_EQ(met, 2u);
	EXPECT_EQ(n.calls, 1);
}

TEST_F(no_memory_needed, by_objects_with_up_to_four_fences)
{
	without_memory([&] {
		calm_lru_transaction t;
		reservation_object *object = &buffers[0].own;
		EXPECT_EQ(t.prepare(std::array{object}, 4), 0);
		for (unsigned i = 0; i < 4; i++)
			EXPECT_EQ(object->add_fence(*fences[i], all_usages[i]), 0);
		object->replace_fences(fences[0]->context, *fences[4], usage::write);
		EXPECT_FALSE(object->test_signaled(usage::write));
		EXPECT_EQ(object->wait(usage::read, true, 1), 0);
		object->set_deadline(usage::bookkeep, 1);
		unsigned met = 0;
		fence_cursor c(*object, usage::bookkeep);
		for (fence *f = c.first_unlocked(); f; f = c.next_unlocked())
			met++;
		EXPECT_EQ(met, 4u);
	});
}

TEST_F(no_memory_needed, by_sets_and_lrus)
{
	for (int i = 0; i < 100; i++)
		add();
	without_memory([&] {
		calm_lru_transaction t;
		EXPECT_EQ(t.reserve(buffers, &lru_buffer::own), 0);
		t.release_all();
		lru_bulk range(device);
		range.add(buffers[1].entry);
		range.move_tail();
		range.destroy();
		lru::move_tail(buffers[0].entry);
		reservation_object *object = nullptr;
		EXPECT_EQ(device.reserve_wait(t, suitable{}, 3, object), 0);
		EXPECT_EQ(object, &buffers[2].own);
		EXPECT_EQ(device.reserve_first(&t.context(), suitable{}, object), 0);
		EXPECT_EQ(object, &buffers[3].own);
	});
}

} // namespace
} // namespace resv::test
