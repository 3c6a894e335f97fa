// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The annotator's graph: each function by itself, all of them against a model that is too simple to be wrong, and
// readers who ask for edges while somebody else adds and removes some.

#include <tests/helpers.hpp>

#include <lockdep/graph.hpp>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <utility>

namespace resv::lockdep {

static void PrintTo(verdict v, std::ostream *out)
{
	const char *names[] = {"added", "known", "cycle", "full"};
	*out << names[static_cast<int>(v)];
}

} // namespace resv::lockdep

namespace resv::test {
namespace {

using lockdep::edge;
using lockdep::edge_kind;
using lockdep::graph;
using lockdep::graph_memory;
using lockdep::node;
using lockdep::verdict;

static_assert(sizeof(lockdep::dependency_memory) > 0); // the sizes of this build's Kconfig are possible

constexpr verdict added = verdict::added;
constexpr verdict known = verdict::known;
constexpr verdict cycle = verdict::cycle;
constexpr verdict full = verdict::full;

class lockdep_graph : public testing::Test {
private:
	watchdog watchdog_{std::chrono::seconds(60)};
};

std::vector<node> path(graph &g, node from, node to)
{
	node nodes[64];
	unsigned n = g.path(from, to, nodes, 64);
	EXPECT_LE(n, 64u);
	return {nodes, nodes + n};
}

using nodes = std::vector<node>;
using pair = std::pair<node, node>;

template <typename Memory>
nodes in_order(const Memory &memory, nodes some)
{
	std::sort(some.begin(), some.end(),
		  [&](node a, node b) { return memory.vertices[a].rank < memory.vertices[b].rank; });
	return some;
}

template <typename Memory>
unsigned slots_that_are(const Memory &memory, bool (*wanted)(uint32_t))
{
	unsigned n = 0;
	for (const auto &key : memory.keys)
		n += wanted(key.load(order::relaxed));
	return n;
}

template <typename Memory>
unsigned empty_slots(const Memory &memory)
{
	return slots_that_are(memory, [](uint32_t key) { return key == 0; });
}

template <typename Memory>
unsigned deleted_slots(const Memory &memory)
{
	return slots_that_are(memory, [](uint32_t key) { return key == 1; });
}

// ---- One function at a time ------------------------------------------------------------------------------------------

constinit graph_memory<16, 32> static_memory{};
constinit graph static_graph{static_memory};

TEST_F(lockdep_graph, static_one_needs_no_constructor)
{
	EXPECT_FALSE(static_graph.seen(0, 1));
	EXPECT_EQ(static_graph.insert(0, 1, 0), added);
	EXPECT_TRUE(static_graph.seen(0, 1));
	static_graph.reset();
}

TEST_F(lockdep_graph, empty_one_has_nothing)
{
	graph_memory<4, 4> memory{};
	graph g(memory);

	for (node a = 0; a < 4; a++)
		for (node b = 0; b < 4; b++) {
			EXPECT_FALSE(g.seen(a, b));
			EXPECT_EQ(g.reaches(a, b), a == b);
			EXPECT_EQ(path(g, a, b), a == b ? nodes{a} : nodes{});
			EXPECT_EQ(g.edge_payload(a, b), 0u);
		}
	EXPECT_EQ(g.edges(), 0u);
	EXPECT_EQ(g.ordered(), 0u);
	EXPECT_EQ(g.refused(), 0u);
}

TEST_F(lockdep_graph, insert_tells_new_from_known)
{
	graph_memory<4, 4> memory{};
	graph g(memory);

	EXPECT_EQ(g.insert(0, 1, 7), added);
	EXPECT_EQ(g.insert(0, 1, 8), known);
	EXPECT_EQ(g.insert(1, 2, 9), added);
	EXPECT_EQ(g.ordered(), 2u);
	EXPECT_EQ(g.edge_payload(0, 1), 7u);
	EXPECT_EQ(g.edge_payload(1, 2), 9u);
	EXPECT_EQ(g.edge_payload(0, 2), 0u);
	EXPECT_TRUE(g.seen(0, 1));
	EXPECT_FALSE(g.seen(1, 0));
	EXPECT_FALSE(g.seen(0, 2));
}

// Keys are made of both numbers; none may look like a slot without a key, or like another one.
TEST_F(lockdep_graph, every_pair_of_numbers_is_an_edge_of_its_own)
{
	auto memory = std::make_unique<graph_memory<0x8000, 64>>();
	graph g(*memory);
	const pair pairs[] = {{0, 1}, {0, 2}, {0, 0x7fff}, {1, 2},
			      {1, 3}, {2, 3}, {1, 0x7fff}, {0x7ffe, 0x7fff}};

	for (auto [from, to] : pairs) {
		EXPECT_FALSE(g.seen(from, to)) << from << " -> " << to;
		EXPECT_EQ(g.insert(from, to, 0), added) << from << " -> " << to;
		EXPECT_FALSE(g.seen(to, from)) << to << " -> " << from;
	}
	EXPECT_FALSE(g.seen(0, 0));
	EXPECT_FALSE(g.seen(0, 3));
	EXPECT_FALSE(g.seen(0x7fff, 0x7fff));
	EXPECT_FALSE(g.seen(0x7ffe, 0));
}

TEST_F(lockdep_graph, payload_has_thirty_bits)
{
	graph_memory<4, 4> memory{};
	graph g(memory);

	EXPECT_EQ(g.insert(0, 1, (1u << 30) - 1), added);
	EXPECT_EQ(g.edge_payload(0, 1), (1u << 30) - 1);
	EXPECT_EQ(g.at(0).kind, edge_kind::ordered);
}

TEST_F(lockdep_graph, insert_tells_a_cycle_and_changes_nothing)
{
	graph_memory<8, 8> memory{};
	graph g(memory);

	EXPECT_EQ(g.insert(3, 3, 0), cycle);
	// Inserted from behind, so that each edge has to change the order.
	for (node n = 4; n-- != 0;)
		EXPECT_EQ(g.insert(n, node(n + 1), 0), added);
	nodes before = in_order(memory, {0, 1, 2, 3, 4});
	EXPECT_EQ(before, (nodes{0, 1, 2, 3, 4}));
	for (node n = 0; n <= 4; n++) {
		EXPECT_TRUE(g.would_cycle(4, n));
		EXPECT_EQ(g.insert(4, n, 0), cycle);
		EXPECT_FALSE(g.seen(4, n));
	}
	EXPECT_EQ(g.insert(1, 0, 0), cycle);
	EXPECT_EQ(g.ordered(), 4u);
	EXPECT_EQ(g.edges(), 4u);
	EXPECT_EQ(in_order(memory, {4, 3, 2, 1, 0}), before);
	EXPECT_FALSE(g.would_cycle(0, 4));
	EXPECT_EQ(g.insert(0, 4, 0), added);
}

TEST_F(lockdep_graph, order_is_changed_only_between_the_ends_of_an_edge)
{
	graph_memory<16, 16> memory{};
	graph g(memory);
	auto rank = [&](node n) { return memory.vertices[n].rank; };

	for (node n = 0; n < 8; n++)
		EXPECT_EQ(g.insert(n, node(n + 1), 0), added);
	nodes all = in_order(memory, {8, 7, 6, 5, 4, 3, 2, 1, 0});
	EXPECT_EQ(all, (nodes{0, 1, 2, 3, 4, 5, 6, 7, 8}));
	g.remove(4);
	uint16_t low = rank(0), high = rank(8);

	// With 4 alone, 5 may come before 3, and only these two change places.
	EXPECT_EQ(g.insert(5, 3, 0), added);
	EXPECT_EQ(in_order(memory, all), (nodes{0, 1, 2, 5, 4, 3, 6, 7, 8}));
	EXPECT_EQ(rank(0), low);
	EXPECT_EQ(rank(8), high);
}

TEST_F(lockdep_graph, new_nodes_change_nothing_for_the_others)
{
	graph_memory<16, 16> memory{};
	graph g(memory);
	auto ranks = [&] {
		std::vector<uint16_t> all;
		for (node n = 4; n < 8; n++)
			all.push_back(memory.vertices[n].rank);
		return all;
	};

	for (node n = 4; n < 7; n++)
		EXPECT_EQ(g.insert(n, node(n + 1), 0), added);
	auto before = ranks();
	EXPECT_EQ(g.insert(3, 4, 0), added);
	EXPECT_EQ(g.insert(7, 8, 0), added);
	EXPECT_EQ(g.insert(2, 6, 0), added);
	EXPECT_EQ(g.insert(5, 9, 0), added);
	EXPECT_EQ(ranks(), before);
}

TEST_F(lockdep_graph, all_nodes_there_can_be_have_a_rank_on_either_side)
{
	constexpr unsigned n = 0x8000;
	auto memory = std::make_unique<graph_memory<n, n>>();
	graph g(*memory);
	auto rank = [&](unsigned i) { return memory->vertices[i].rank; };

	// A chain that grows at one end.
	for (bool upward : {true, false, true}) {
		for (unsigned i = 0; i + 1 < n; i++) {
			pair e = upward ? pair(i, i + 1) : pair(i + 1, i);
			ASSERT_EQ(g.insert(e.first, e.second, 0), added);
		}
		for (unsigned i = 0; i + 1 < n; i++)
			ASSERT_EQ(rank(i) < rank(i + 1), upward);
		for (unsigned i = 0; i < n; i++)
			ASSERT_NE(rank(i), 0);
		node first = upward ? 0 : n - 1;
		node last = upward ? n - 1 : 0;
		EXPECT_EQ(g.insert(last, first, 0), cycle);
		EXPECT_EQ(g.path(first, last, nullptr, 0), n);
		g.reset();
	}
}

TEST_F(lockdep_graph, reaches_follows_edges)
{
	graph_memory<8, 8> memory{};
	graph g(memory);

	EXPECT_EQ(g.insert(0, 1, 0), added);
	EXPECT_EQ(g.insert(1, 2, 0), added);
	EXPECT_EQ(g.insert(3, 2, 0), added);
	EXPECT_TRUE(g.reaches(0, 1));
	EXPECT_TRUE(g.reaches(0, 2));
	EXPECT_TRUE(g.reaches(3, 2));
	EXPECT_FALSE(g.reaches(2, 0));
	EXPECT_FALSE(g.reaches(0, 3));
	EXPECT_FALSE(g.reaches(3, 0));
	EXPECT_FALSE(g.reaches(3, 1));
	EXPECT_FALSE(g.reaches(0, 7));
	EXPECT_FALSE(g.reaches(7, 0));
}

// A search marks what it comes by with a number of 16 bits.
TEST_F(lockdep_graph, old_marks_do_not_mislead_a_search)
{
	graph_memory<8, 8> memory{};
	graph g(memory);

	for (node n : nodes{1, 2, 5, 6})
		EXPECT_EQ(g.insert(node(n - 1), n, 0), added);
	for (unsigned others = 65533; others < 65538; others++) {
		EXPECT_TRUE(g.reaches(0, 2)); // comes by 1
		for (unsigned i = 0; i < others; i++)
			ASSERT_TRUE(g.reaches(4, 6)) << i;
		EXPECT_TRUE(g.reaches(0, 2)) << others;
	}
}

TEST_F(lockdep_graph, path_is_the_shortest)
{
	graph_memory<16, 16> memory{};
	graph g(memory);

	for (auto [from, to] : {pair{0, 1}, {1, 2}, {2, 3}, {3, 4}, {0, 5}, {5, 4}, {4, 6}})
		EXPECT_EQ(g.insert(from, to, 0), added);
	EXPECT_EQ(path(g, 0, 4), (nodes{0, 5, 4}));
	EXPECT_EQ(path(g, 0, 6), (nodes{0, 5, 4, 6}));
	EXPECT_EQ(path(g, 0, 3), (nodes{0, 1, 2, 3}));
	EXPECT_EQ(path(g, 3, 4), (nodes{3, 4}));
	EXPECT_EQ(path(g, 4, 4), (nodes{4}));
	EXPECT_EQ(path(g, 4, 0), nodes{});
	EXPECT_EQ(path(g, 5, 3), nodes{});
}

TEST_F(lockdep_graph, path_writes_no_more_than_there_is_room_for)
{
	graph_memory<8, 8> memory{};
	graph g(memory);

	for (node n = 0; n < 4; n++)
		EXPECT_EQ(g.insert(n, node(n + 1), 0), added);
	for (unsigned max = 0; max <= 6; max++) {
		node out[6] = {99, 99, 99, 99, 99, 99};
		EXPECT_EQ(g.path(0, 4, out, max), 5u);
		for (unsigned i = 0; i < 6; i++)
			EXPECT_EQ(out[i], i < max && i < 5 ? i : 99u) << i << " of " << max;
	}
}

TEST_F(lockdep_graph, refused_edge_is_seen_but_leads_nowhere)
{
	graph_memory<8, 8> memory{};
	graph g(memory);

	EXPECT_EQ(g.insert(0, 1, 5), added);
	EXPECT_EQ(g.insert(1, 0, 6), cycle);
	EXPECT_EQ(g.refuse(1, 0), added);
	EXPECT_TRUE(g.seen(1, 0));
	EXPECT_EQ(g.insert(1, 0, 6), known);
	EXPECT_EQ(g.refuse(1, 0), known);
	EXPECT_FALSE(g.reaches(1, 0));
	EXPECT_EQ(path(g, 1, 0), nodes{});
	EXPECT_EQ(g.edge_payload(1, 0), 0u);
	EXPECT_EQ(g.ordered(), 1u);
	EXPECT_EQ(g.refused(), 1u);
}

TEST_F(lockdep_graph, refused_edge_has_no_place_in_the_order)
{
	graph_memory<8, 8> memory{};
	graph g(memory);

	EXPECT_EQ(g.refuse(2, 2), added);
	EXPECT_TRUE(g.seen(2, 2));
	EXPECT_EQ(g.refuse(3, 4), added);
	EXPECT_EQ(memory.vertices[3].rank, 0);
	EXPECT_EQ(g.insert(4, 3, 0), added);
	EXPECT_TRUE(g.reaches(4, 3));
}

TEST_F(lockdep_graph, edge_that_is_there_can_not_be_refused)
{
	graph_memory<8, 8> memory{};
	graph g(memory);

	EXPECT_EQ(g.insert(0, 1, 5), added);
	EXPECT_EQ(g.refuse(0, 1), known);
	EXPECT_TRUE(g.reaches(0, 1));
	EXPECT_EQ(g.edge_payload(0, 1), 5u);
	EXPECT_EQ(g.refused(), 0u);
}

TEST_F(lockdep_graph, remove_takes_the_edges_of_one_node)
{
	graph_memory<8, 16> memory{};
	graph g(memory);

	for (auto [from, to] : {pair{0, 2}, {1, 2}, {2, 3}, {2, 4}, {0, 3}, {1, 4}, {0, 4}})
		EXPECT_EQ(g.insert(from, to, 10u * from + to), added);
	EXPECT_EQ(g.refuse(4, 2), added);
	EXPECT_EQ(g.refuse(3, 0), added);
	EXPECT_EQ(g.refuse(2, 1), added);
	EXPECT_EQ(g.refuse(2, 2), added);

	g.remove(2);
	for (node n = 0; n < 8; n++) {
		EXPECT_FALSE(g.seen(n, 2));
		EXPECT_FALSE(g.seen(2, n));
		EXPECT_EQ(g.reaches(n, 2), n == 2);
		EXPECT_EQ(g.reaches(2, n), n == 2);
	}
	for (auto [from, to] : {pair{0, 3}, {1, 4}, {0, 4}}) {
		EXPECT_TRUE(g.seen(from, to));
		EXPECT_EQ(path(g, from, to), (nodes{from, to}));
		EXPECT_EQ(g.edge_payload(from, to), 10u * from + to);
	}
	EXPECT_TRUE(g.seen(3, 0));
	EXPECT_EQ(g.ordered(), 3u);
	EXPECT_EQ(g.refused(), 1u);
	EXPECT_FALSE(g.reaches(1, 3));
	EXPECT_EQ(g.insert(3, 2, 1), added); // was a cycle
	EXPECT_EQ(g.insert(2, 1, 2), added);
	EXPECT_EQ(path(g, 0, 4), (nodes{0, 4}));
	EXPECT_EQ(path(g, 3, 4), (nodes{3, 2, 1, 4}));
	g.remove(7); // has none
	EXPECT_EQ(g.ordered(), 5u);
}

TEST_F(lockdep_graph, reset_makes_it_like_new)
{
	graph_memory<8, 16> memory{};
	graph g(memory);

	for (int round = 0; round < 6; round++) {
		EXPECT_EQ(g.edges(), 0u);
		EXPECT_EQ(g.ordered(), 0u);
		EXPECT_EQ(g.refused(), 0u);
		EXPECT_EQ(empty_slots(memory), 32u);
		for (const auto &v : memory.vertices)
			EXPECT_TRUE(v.out == 0 && v.in == 0 && v.rank == 0);
		// In turns, so that what was left of one round would be a cycle in the next.
		bool down = round % 2;
		for (node n = 0; n < 7; n++)
			EXPECT_EQ(down ? g.insert(node(n + 1), n, 0) : g.insert(n, node(n + 1), 0), added);
		EXPECT_EQ(g.refuse(3, 3), added);
		if (round < 3)
			g.remove(5);
		g.reset();
	}
}

TEST_F(lockdep_graph, every_edge_can_be_looked_at)
{
	graph_memory<8, 8> memory{};
	graph g(memory);

	EXPECT_EQ(g.insert(0, 1, 11), added);
	EXPECT_EQ(g.insert(1, 2, 12), added);
	EXPECT_EQ(g.refuse(2, 0), added);
	EXPECT_EQ(g.insert(3, 4, 34), added);
	g.remove(1);
	std::set<std::string> seen;
	for (unsigned i = 0; i < g.edges(); i++) {
		const edge &e = g.at(i);
		if (e.kind != edge_kind::unused)
			seen.insert(std::to_string(e.from) +
				    (e.kind == edge_kind::refused ? " refused " : " ") +
				    std::to_string(e.to) + ": " + std::to_string(e.payload));
	}
	EXPECT_EQ(seen, (std::set<std::string>{"2 refused 0: 0", "3 4: 34"}));
}

// ---- No room ---------------------------------------------------------------------------------------------------------

TEST_F(lockdep_graph, full_one_keeps_what_it_has)
{
	graph_memory<16, 6> memory{};
	graph g(memory);

	for (node n = 0; n < 5; n++)
		EXPECT_EQ(g.insert(n, node(n + 1), n), added);
	EXPECT_EQ(g.refuse(5, 0), added);
	for (int again = 0; again < 2; again++) {
		EXPECT_EQ(g.insert(6, 7, 0), full);
		EXPECT_EQ(g.insert(0, 2, 0), full);
		EXPECT_EQ(g.refuse(4, 0), full);
		EXPECT_EQ(g.insert(4, 0, 0), cycle);
		EXPECT_EQ(g.insert(2, 2, 0), cycle);
		EXPECT_EQ(g.insert(0, 1, 0), known);
		EXPECT_EQ(g.insert(5, 0, 0), known);
		EXPECT_EQ(g.refuse(5, 0), known);
	}
	EXPECT_FALSE(g.seen(6, 7));
	EXPECT_FALSE(g.seen(4, 0));
	EXPECT_EQ(path(g, 0, 5), (nodes{0, 1, 2, 3, 4, 5}));
	EXPECT_EQ(g.edges(), 6u);

	g.remove(3); // makes room for two
	EXPECT_EQ(g.insert(6, 7, 0), added);
	EXPECT_EQ(g.refuse(4, 0), added);
	EXPECT_EQ(g.insert(8, 9, 0), full);
	EXPECT_EQ(g.edges(), 6u);
}

TEST_F(lockdep_graph, slots_of_removed_edges_are_used_again)
{
	graph_memory<64, 32> memory{};
	graph g(memory);
	std::minstd_rand random(1);

	// A new set of edges each time; without reuse there would soon be no slot, and no edge.
	for (int round = 0; round < 1000; round++) {
		std::set<pair> inside;
		while (inside.size() < 32) {
			node from = node(random() % 63);
			node to = node(from + 1 + random() % (63u - from));
			if (inside.insert({from, to}).second) {
				ASSERT_EQ(g.insert(from, to, 0), added);
			}
		}
		ASSERT_EQ(g.insert(0, 63, 0), inside.count({0, 63}) ? known : full);
		ASSERT_EQ(empty_slots(memory) + deleted_slots(memory), 32u);
		for (auto [from, to] : inside)
			ASSERT_TRUE(g.seen(from, to));
		for (node n = 0; n < 64; n++)
			g.remove(n);
		ASSERT_EQ(empty_slots(memory), 64u) << "round " << round;
	}
}

TEST_F(lockdep_graph, question_ends_though_no_slot_is_empty)
{
	graph_memory<32, 4> memory{};
	graph g(memory);
	std::minstd_rand random(1);
	std::vector<pair> inside;

	// Edges between pairs of nodes, so that each can be removed alone, until all slots are taken or deleted.
	for (int step = 0; empty_slots(memory) != 0; step++) {
		ASSERT_LT(step, 1000000);
		if (inside.size() == 4) {
			size_t at = random() % 4;
			g.remove(inside[at].first);
			inside.erase(inside.begin() + long(at));
		}
		node from = node(2 * (random() % 16));
		node to = node(from + 1);
		verdict v = g.insert(from, to, 0);
		if (v == added)
			inside.push_back({from, to});
		else
			ASSERT_EQ(v, known);
	}
	for (node a = 0; a < 32; a++)
		for (node b = 0; b < 32; b++)
			EXPECT_EQ(g.seen(a, b), std::count(inside.begin(), inside.end(), pair{a, b}) == 1);
	EXPECT_EQ(g.insert(1, 2, 0), inside.size() == 4 ? full : added);
}

// ---- Against a model -------------------------------------------------------------------------------------------------

/// What a graph is supposed to do, in the simplest way.
class model {
public:
	model(size_t max_nodes, size_t max_edges) : max_nodes_(max_nodes), max_edges_(max_edges) {}

	bool seen(node from, node to) const { return ordered.count({from, to}) || refused.count({from, to}); }
	bool reaches(node from, node to) const { return distance(from, to) != 0; }

	/// The nodes on a shortest path; 0 if there is none.
	unsigned distance(node from, node to) const
	{
		std::vector<bool> reached(max_nodes_);
		nodes front{from};
		for (unsigned n = 1; !front.empty(); n++) {
			nodes next;
			for (node at : front) {
				if (at == to)
					return n;
				for (auto e = ordered.lower_bound({at, 0});
				     e != ordered.end() && e->first.first == at; ++e) {
					node to_follow = e->first.second;
					if (!reached[to_follow])
						next.push_back(to_follow);
					reached[to_follow] = true;
				}
			}
			front = next;
		}
		return 0;
	}

	verdict insert(node from, node to, uint32_t payload)
	{
		if (seen(from, to))
			return known;
		if (reaches(to, from))
			return cycle;
		if (ordered.size() + refused.size() == max_edges_)
			return full;
		ordered[{from, to}] = payload;
		return added;
	}

	verdict refuse(node from, node to)
	{
		if (seen(from, to))
			return known;
		if (ordered.size() + refused.size() == max_edges_)
			return full;
		refused.insert({from, to});
		return added;
	}

	void remove(node n)
	{
		std::erase_if(ordered, [n](auto &e) { return e.first.first == n || e.first.second == n; });
		std::erase_if(refused, [n](auto &e) { return e.first == n || e.second == n; });
	}

	void reset()
	{
		ordered.clear();
		refused.clear();
	}

	std::map<pair, uint32_t> ordered; // with payload
	std::set<pair> refused;

private:
	size_t max_nodes_, max_edges_;
};

template <unsigned max_nodes, unsigned max_edges>
class script {
public:
	explicit script(unsigned seed) : random_(seed)
	{
		removals_ = any(3) ? any(40) : 0; // in 1000 steps
		refusals_ = any(3) * 50;
		from_below_ = any(2);
	}

	/// Ends at the first difference. Returns how many steps were alike.
	unsigned run(unsigned steps)
	{
		unsigned done = 0;
		for (; done < steps && !testing::Test::HasFailure(); done++) {
			step();
			if (any(steps / 4 + 1) == 0 || done + 1 == steps)
				compare();
		}
		return done;
	}

private:
	unsigned any(unsigned below) { return std::uniform_int_distribution(0u, below - 1)(random_); }
	node any_node() { return node(any(max_nodes)); }

	void step()
	{
		unsigned what = any(1000);
		node from = any_node();
		node to = any_node();
		if (from_below_ && from > to && any(8) != 0)
			std::swap(from, to); // few cycles: the graph gets dense
		if (what < removals_) {
			graph_.remove(from);
			model_.remove(from);
		} else if (what < removals_ + refusals_) {
			EXPECT_EQ(graph_.refuse(from, to), model_.refuse(from, to)) << from << " -> " << to;
		} else if (what == 999 && any(10) == 0) {
			graph_.reset();
			model_.reset();
		} else {
			bool expected = model_.reaches(to, from);
			if (any(2)) {
				EXPECT_EQ(graph_.would_cycle(from, to), expected) << from << " -> " << to;
			}
			uint32_t payload = any(1 << 30);
			EXPECT_EQ(graph_.insert(from, to, payload), model_.insert(from, to, payload))
				<< from << " -> " << to;
			EXPECT_EQ(graph_.seen(from, to), model_.seen(from, to)) << from << " -> " << to;
		}
	}

	void compare()
	{
		compare_edges();
		compare_order();
		constexpr bool all_pairs = max_nodes <= 32;
		for (unsigned i = 0; i < (all_pairs ? max_nodes * max_nodes : 400); i++) {
			node from = all_pairs ? node(i / max_nodes) : any_node();
			node to = all_pairs ? node(i % max_nodes) : any_node();
			compare_pair(from, to);
		}
	}

	void compare_edges()
	{
		std::map<pair, uint32_t> ordered;
		std::set<pair> refused;
		unsigned n = 0;
		for (unsigned i = 0; i < graph_.edges(); i++) {
			const edge &e = graph_.at(i);
			n += e.kind != edge_kind::unused;
			if (e.kind == edge_kind::ordered)
				ordered[{e.from, e.to}] = e.payload;
			if (e.kind == edge_kind::refused)
				refused.insert({e.from, e.to});
		}
		EXPECT_EQ(n, model_.ordered.size() + model_.refused.size()) << "edges are there twice";
		EXPECT_TRUE(ordered == model_.ordered);
		EXPECT_TRUE(refused == model_.refused);
		EXPECT_EQ(graph_.ordered(), model_.ordered.size());
		EXPECT_EQ(graph_.refused(), model_.refused.size());
		for (auto &[ends, payload] : model_.ordered) {
			EXPECT_TRUE(graph_.seen(ends.first, ends.second));
			EXPECT_EQ(graph_.edge_payload(ends.first, ends.second), payload);
		}
		for (auto [from, to] : model_.refused)
			EXPECT_TRUE(graph_.seen(from, to));
		EXPECT_EQ(empty_slots(*memory_) + deleted_slots(*memory_) + n, std::size(memory_->keys));
	}

	void compare_order()
	{
		for (auto &[ends, payload] : model_.ordered)
			EXPECT_LT(memory_->vertices[ends.first].rank, memory_->vertices[ends.second].rank)
				<< ends.first << " -> " << ends.second;
		std::set<uint16_t> ranks;
		for (const auto &v : memory_->vertices)
			EXPECT_TRUE(v.rank == 0 || ranks.insert(v.rank).second)
				<< v.rank << " is there twice";
	}

	void compare_pair(node from, node to)
	{
		unsigned n = model_.distance(from, to);
		EXPECT_EQ(graph_.seen(from, to), model_.seen(from, to)) << from << " -> " << to;
		EXPECT_EQ(graph_.reaches(from, to), n != 0) << from << " -> " << to;
		std::vector<node> found = path(graph_, from, to);
		ASSERT_EQ(found.size(), n) << from << " -> " << to;
		if (n == 0)
			return;
		EXPECT_EQ(found.front(), from);
		EXPECT_EQ(found.back(), to);
		for (size_t i = 0; i + 1 < n; i++)
			EXPECT_EQ(model_.ordered.count({found[i], found[i + 1]}), 1u)
				<< found[i] << " -> " << found[i + 1];
	}

	std::mt19937 random_;
	unsigned removals_, refusals_;
	bool from_below_;
	std::unique_ptr<graph_memory<max_nodes, max_edges>> memory_ =
		std::make_unique<graph_memory<max_nodes, max_edges>>();
	graph graph_{*memory_};
	model model_{max_nodes, max_edges};
};

#ifdef __OPTIMIZE__
constexpr unsigned slowness = built_with_tsan ? 10 : 1;
#else
constexpr unsigned slowness = 3;
#endif

template <unsigned max_nodes, unsigned max_edges>
void run_scripts(unsigned scripts, unsigned steps)
{
	for (unsigned seed = 1; seed <= scripts && !testing::Test::HasFailure(); seed++) {
		unsigned done = script<max_nodes, max_edges>(seed).run(steps);
		EXPECT_FALSE(testing::Test::HasFailure())
			<< "seed " << seed << ", step " << done << ", " << max_nodes << " nodes";
	}
}

TEST_F(lockdep_graph, does_what_the_model_does_with_few_nodes)
{
	run_scripts<3, 3>(500 / slowness, 200);
	run_scripts<6, 8>(500 / slowness, 400);
	run_scripts<8, 64>(200 / slowness, 400);
	run_scripts<16, 64>(100 / slowness, 1000);
	run_scripts<32, 512>(30 / slowness, 2000);
}

TEST_F(lockdep_graph, does_what_the_model_does_with_many_nodes)
{
	run_scripts<200, 2000>(10 / slowness, 4000);
	run_scripts<1000, 4000>(10 / slowness, 6000);
}

// ---- Readers without a lock ------------------------------------------------------------------------------------------

// Two sets of nodes, and edges from one to the other.
TEST_F(lockdep_graph, reader_sees_every_edge_that_was_inserted_before)
{
	constexpr unsigned total = 100000 / slowness;
	auto memory = std::make_unique<graph_memory<2048, total>>();
	graph g(*memory);
	std::vector<pair> plan;
	std::set<pair> planned;
	std::minstd_rand random(1);
	while (plan.size() < total) {
		pair p(node(random() % 1024), node(1024 + random() % 1024));
		if (planned.insert(p).second)
			plan.push_back(p);
	}
	std::atomic<bool> begun{false};
	std::atomic<size_t> inside{0};
	unsigned long asked = 0, missed = 0, invented = 0;

	std::thread reader([&] {
		std::minstd_rand any(2);
		begun.store(true);
		for (size_t n = 0; n < total;) {
			n = inside.load(std::memory_order_acquire);
			if (n == 0)
				continue;
			auto [from, to] = plan[any() % 8 == 0 ? n - 1 : any() % n];
			missed += !g.seen(from, to);
			invented += g.seen(to, from);
			asked++;
		}
	});
	while (!begun.load())
		std::this_thread::yield();
	for (auto [from, to] : plan) {
		EXPECT_EQ(g.insert(from, to, 0), added);
		inside.fetch_add(1, std::memory_order_release);
	}
	reader.join();
	EXPECT_EQ(missed, 0u) << "of " << asked;
	EXPECT_EQ(invented, 0u) << "of " << asked;
}

TEST_F(lockdep_graph, reader_sees_what_stays_while_the_rest_comes_and_goes)
{
	constexpr node stay = 64;  // nodes below keep their edges
	constexpr node never = 96; // nodes from here on have none
	auto memory = std::make_unique<graph_memory<128, 512>>();
	graph g(*memory);
	std::vector<pair> stays;
	std::minstd_rand random(1);
	auto upward = [&](node below) {
		node from = node(random() % (below - 1u));
		return pair(from, node(from + 1 + random() % (below - 1u - from)));
	};
	// Together with edges that go again, so that these lie among them in the set.
	auto insert_others = [&](unsigned n) {
		while (n-- != 0) {
			node to = node(stay + random() % (never - stay));
			verdict v = g.insert(node(random() % stay), to, 0);
			EXPECT_NE(v, cycle);
		}
	};
	while (stays.size() < 200) {
		auto [from, to] = upward(stay);
		if (g.insert(from, to, 0) == added)
			stays.push_back({from, to});
		insert_others(1);
	}
	std::atomic<bool> begun{false}, over{false};
	unsigned long asked = 0, missed = 0, invented = 0;

	std::thread reader([&] {
		std::minstd_rand any(2);
		begun.store(true);
		while (!over.load(std::memory_order_acquire)) {
			auto [from, to] = stays[any() % stays.size()];
			missed += !g.seen(from, to);
			invented += g.seen(node(any() % never), node(never + any() % (128u - never)));
			asked++;
		}
	});
	while (!begun.load())
		std::this_thread::yield();
	for (unsigned round = 0; round < 20000 / slowness; round++) {
		g.remove(node(stay + random() % (never - stay)));
		insert_others(unsigned(random() % 20));
	}
	over.store(true, std::memory_order_release);
	reader.join();
	EXPECT_EQ(missed, 0u) << "of " << asked;
	EXPECT_EQ(invented, 0u) << "of " << asked;
}

} // namespace
} // namespace resv::test
