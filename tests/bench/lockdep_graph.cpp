// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What a new edge costs the annotator, on average over a graph that grows from nothing. The peer looks for a cycle as
// the classic validators do: breadth first from the end of the edge for its beginning, and backward from its beginning
// for its end. Both get the same edges in the same order; there is no cycle among them.
#include "../../lockdep/graph.hpp"
#include "plan.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <numeric>
#include <random>
#include <set>

namespace bench {

namespace {

using resv::lockdep::node;

constexpr unsigned nodes = 4096;
constexpr unsigned edges = 32768;

struct ends {
	node from;
	node to;
};

// Random edges that agree with an order of the nodes which their numbers do not show.
std::vector<ends> random_edges()
{
	std::mt19937 random(1);
	std::vector<node> order(nodes);
	std::iota(order.begin(), order.end(), node{0});
	std::shuffle(order.begin(), order.end(), random);
	std::uniform_int_distribution<size_t> any(0, nodes - 1);
	std::set<std::pair<size_t, size_t>> chosen;
	std::vector<ends> all;
	while (all.size() < edges) {
		auto [low, high] = std::minmax({any(random), any(random)});
		if (low != high && chosen.insert({low, high}).second)
			all.push_back({order[low], order[high]});
	}
	return all;
}

// Lists of edges and two searches. Takes for granted that no edge comes twice, which real ones have to find out.
class searched_graph {
public:
	bool insert(node from, node to)
	{
		if (finds(out_, to, from) || finds(in_, from, to))
			return false;
		add(out_, from, to);
		add(in_, to, from);
		return true;
	}

private:
	struct link {
		node to;
		uint32_t next; // index plus one
	};
	struct direction {
		uint32_t first[nodes] = {};
		link links[edges];
		uint32_t used = 0;
	};

	static void add(direction &d, node at, node to)
	{
		d.links[d.used] = {to, d.first[at]};
		d.first[at] = ++d.used;
	}

	bool finds(const direction &d, node begin, node wanted)
	{
		unsigned found = 0;
		mark_++;
		marks_[begin] = mark_;
		queue_[found++] = begin;
		for (unsigned i = 0; i < found; i++)
			for (uint32_t at = d.first[queue_[i]]; at; at = d.links[at - 1].next) {
				node next = d.links[at - 1].to;
				if (next == wanted)
					return true;
				if (marks_[next] == mark_)
					continue;
				marks_[next] = mark_;
				queue_[found++] = next;
			}
		return false;
	}

	direction out_, in_;
	uint32_t marks_[nodes] = {};
	uint32_t mark_ = 0;
	node queue_[nodes];
};

// Builds a graph with all edges. The time of an iteration is that of one edge.
template <typename Insert>
void build(benchmark::State &state, const std::vector<ends> &all, Insert &&insert)
{
	bool ok = true;
	auto begin = std::chrono::steady_clock::now();
	for (ends e : all)
		ok &= insert(e);
	auto took = std::chrono::steady_clock::now() - begin;
	state.SetIterationTime(std::chrono::duration<double>(took).count() / edges);
	if (!ok)
		state.SkipWithError("insert");
}

const std::vector<ends> &the_edges()
{
	static const std::vector<ends> all = random_edges();
	return all;
}

void ordered(benchmark::State &state)
{
	auto memory = std::make_unique<resv::lockdep::graph_memory<nodes, edges>>();
	resv::lockdep::graph graph(*memory);
	for (auto _ : state) {
		graph.reset();
		build(state, the_edges(),
		      [&](ends e) { return graph.insert(e.from, e.to, 0) == resv::lockdep::verdict::added; });
	}
}

void searched(benchmark::State &state)
{
	auto graph = std::make_unique<searched_graph>();
	for (auto _ : state) {
		*graph = {};
		build(state, the_edges(), [&](ends e) { return graph->insert(e.from, e.to); });
	}
}

} // namespace

void plan_lockdep_graph(plan &p)
{
	p.groups.push_back({"lockdep/new_edge", {}, 9, false});
	p.row("lockdep/new_edge/order", ordered)->Iterations(20)->UseManualTime();
	p.row("lockdep/new_edge/bfs", searched)->Iterations(2)->UseManualTime();
	p.ratios.push_back(
		{"lockdep_new_edge_vs_bfs", {"lockdep/new_edge/order"}, {"lockdep/new_edge/bfs"}, 0.1});
}

} // namespace bench
