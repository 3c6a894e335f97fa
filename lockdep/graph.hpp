// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// A directed graph over small numbers that never gets a cycle, and that can be asked without a lock whether an edge is
// in it. Pure data structure: it does not know what its nodes stand for, takes no lock, and owns no memory.
//
// New edges are checked against an order of the nodes in which every edge goes upward: D. J. Pearce and P. H. J. Kelly,
// "A Dynamic Topological Sort Algorithm for Directed Acyclic Graphs", ACM Journal of Experimental Algorithmics 11, 2006.
// An edge that goes upward already costs nothing; another one costs a look at the nodes that lie between its ends in
// the order and are connected to them.
#ifndef RESV_LOCKDEP_GRAPH_HPP
#define RESV_LOCKDEP_GRAPH_HPP

#include <resv/atomic_word.hpp>
#include <resv/config.h>
#include <resv/types.h>

namespace resv::lockdep {

using node = uint16_t;

enum class verdict {
	added,
	known, // it is there, refused or not
	cycle, // its end reaches its beginning
	full,  // no room for one more edge
};

enum class edge_kind : uint32_t { unused, ordered, refused };

/// Links are the index of an edge plus one; 0 ends a list.
struct edge {
	node from;
	node to;
	uint32_t payload : 30;
	edge_kind kind : 2;
	uint32_t next_out; // the next one out of `from`; if this one is refused or unused, the next of those
	uint32_t next_in;  // the next one into `to`
};

/// What a graph knows of one node.
struct vertex {
	uint32_t out;  // edges out of it
	uint32_t in;   // edges into it
	uint16_t rank; // its place in the order, different from all others'; 0 until its first edge
	uint16_t mark; // the last search that came by
};

/// The least power of two that is not below n, as a number of bits; not 0.
constexpr unsigned bits_for(unsigned n)
{
	unsigned bits = 1;
	while (1u << bits < n)
		bits++;
	return bits;
}

/// The memory of a graph; all zero is the empty graph. `nodes` bounds the numbers of nodes, `edges` counts those
/// refused as well.
template <unsigned nodes, unsigned edges>
struct graph_memory {
	static_assert(nodes <= 0x8000, "a rank has 16 bits, and half of them lie below the middle");
	static_assert(edges > 0 && edges < 1u << 30);

	static constexpr unsigned slot_bits = bits_for(2 * edges); // half of the slots stay empty

	atomic<uint32_t> keys[1u << slot_bits];
	edge all_edges[edges];
	vertex vertices[nodes];
	uint32_t scratch[nodes];
};

/// The annotator's: two nodes for a lock class, up to two edges for a dependency.
using dependency_memory = graph_memory<2 * RESV_LOCKDEP_CLASSES, 2 * RESV_LOCKDEP_EDGES>;
static_assert(sizeof(graph_memory<2 * 4096, 2 * 32768>) < 2 << 20, "the annotator may have 4 MiB in all");

/// Everything but seen() is called under one spin lock of the caller.
class graph {
public:
	template <unsigned nodes, unsigned edges>
	constexpr explicit graph(graph_memory<nodes, edges> &memory)
		: keys_(memory.keys), slot_mask_((1u << memory.slot_bits) - 1),
		  hash_shift_(64 - memory.slot_bits), edges_(memory.all_edges), max_edges_(edges),
		  vertices_(memory.vertices), max_nodes_(nodes), scratch_(memory.scratch)
	{}
	graph(const graph &) = delete;
	graph &operator=(const graph &) = delete;

	/// Is the edge there, refused or not? Needs no lock: a caller who does not hold it may miss an edge that was
	/// added after it last synchronized with the one who did, but none from before. Context: any.
	bool seen(node from, node to) const
	{
		const uint32_t key = key_of(from, to);
		const uint32_t home = home_of(key);
		uint32_t slot = home;
		do {
			uint32_t found = keys_[slot].load(order::relaxed);
			if (found == key)
				return true;
			if (found == empty)
				return false;
			slot = (slot + 1) & slot_mask_;
		} while (slot != home);
		return false;
	}

	/// The same for those who have something else to do if the answer does not lie where it is looked for first: false
	/// may mean that.
	bool seen_at_once(node from, node to) const
	{
		const uint32_t key = key_of(from, to);
		const uint32_t home = home_of(key);
		return keys_[home].load(order::relaxed) == key ||
		       keys_[(home + 1) & slot_mask_].load(order::relaxed) == key;
	}

	/// Is there a path? Every node reaches itself.
	bool reaches(node from, node to);

	/// Would the edge close a cycle?
	bool would_cycle(node from, node to) { return reaches(to, from); }

	/// Adds an edge, unless it would close a cycle; that is told even if there is no room for one more. If it is not
	/// added, nothing changes. `payload` has 30 bits.
	[[nodiscard]] verdict insert(node from, node to, uint32_t payload);

	/// Remembers an edge as one that must not be: it is seen, but no path goes over it. `added`, `known` or `full`.
	verdict refuse(node from, node to);

	/// Takes away all edges out of and into a node, the refused ones as well.
	void remove(node);

	/// Takes away everything.
	void reset();

	/// Finds a shortest path, both ends included, and writes the first `max` of its nodes. Returns how many it has;
	/// 0 if there is none. Slow.
	unsigned path(node from, node to, node *out, unsigned max);

	/// The edge, or nullptr if it is not there, or refused. Slow.
	const edge *find(node from, node to) const;

	/// What was inserted with an edge; 0 if it is not there, or refused. Slow.
	uint32_t edge_payload(node from, node to) const
	{
		const edge *e = find(from, to);
		return e ? e->payload : 0;
	}

	/// For those who want to see every edge: at(i) for all i < edges(). Some are unused.
	unsigned edges() const { return used_edges_; }
	const edge &at(unsigned i) const { return edges_[i]; }

	/// How many edges there are now.
	unsigned ordered() const { return ordered_; }
	unsigned refused() const { return refused_; }

private:
	// What a slot of the edge set can hold instead of a key. A key is never moved, so that who looks for it needs no
	// lock. One that is taken away becomes `deleted`, since others may lie behind it; that becomes another key, or
	// `empty` once nothing lies behind it.
	static constexpr uint32_t empty = 0;
	static constexpr uint32_t deleted = 1;

	// No edge has the key `empty` or `deleted`, nor do two have the same: nodes have 15 bits.
	static uint32_t key_of(node from, node to) { return (uint32_t{from} << 16 | to) + 2; }

	// One multiplication by the golden ratio spreads stars, grids and triangles of small numbers better than chance.
	uint32_t home_of(uint32_t key) const
	{
		return static_cast<uint32_t>(key * uint64_t{0x9e3779b97f4a7c15} >> hash_shift_);
	}

	void publish(uint32_t key);
	void withdraw(uint32_t key);
	edge *take_edge(node from, node to, edge_kind kind);
	void give_back(uint32_t link);
	bool full() const { return !unused_ && used_edges_ == max_edges_; }

	edge &at_link(uint32_t link) const { return edges_[link - 1]; }
	uint32_t link_of(const edge *e) const { return static_cast<uint32_t>(e - edges_) + 1; }

	void start_search();
	bool mark(node n);
	unsigned search_up(node begin, node end);
	unsigned search_down(node begin, node end, uint32_t *pairs);
	void give_ranks(node from, node to);
	bool make_upward(node from, node to);

	atomic<uint32_t> *keys_;
	uint32_t slot_mask_;
	uint32_t hash_shift_;
	edge *edges_;
	unsigned max_edges_;
	vertex *vertices_;
	unsigned max_nodes_;
	uint32_t *scratch_;

	unsigned used_edges_ = 0; // edges from here on have never been used
	uint32_t unused_ = 0;     // list of those that were, and are not any more
	uint32_t refusals_ = 0;   // list
	unsigned ordered_ = 0;
	unsigned refused_ = 0;

	// Ranks are given from the middle to both sides, and never taken back.
	unsigned ranks_above_ = 0;
	unsigned ranks_below_ = 0;
	bool removed_ = false;
	uint16_t search_ = 0; // the mark of the search that is on, or of the last one
};

} // namespace resv::lockdep

#endif // RESV_LOCKDEP_GRAPH_HPP
