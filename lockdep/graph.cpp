// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "graph.hpp"

namespace resv::lockdep {

namespace {

constexpr uint16_t middle_rank = 0x8000;
constexpr uint32_t max_payload = (1u << 30) - 1;

// Two numbers in a word of the scratch array; sorts by the first.
uint32_t pair_of(uint32_t first, node n)
{
	return first << 16 | n;
}

uint16_t first_of(uint32_t pair)
{
	return static_cast<uint16_t>(pair >> 16);
}

node node_of(uint32_t pair)
{
	return static_cast<node>(pair);
}

// Shell's sort: no recursion, and quick on the few that there mostly are.
void sort(uint32_t *values, unsigned n)
{
	unsigned gap = 1;
	while (gap < n / 3)
		gap = 3 * gap + 1;
	for (; gap != 0; gap /= 3)
		for (unsigned i = gap; i < n; i++) {
			uint32_t value = values[i];
			unsigned at = i;
			for (; at >= gap && values[at - gap] > value; at -= gap)
				values[at] = values[at - gap];
			values[at] = value;
		}
}

} // namespace

// ---- The edge set ----------------------------------------------------------------------------------------------------

// The key is not there. There is room: the set has more slots than there are edges.
void graph::publish(uint32_t key)
{
	uint32_t slot = home_of(key);
	while (keys_[slot].load(order::relaxed) > deleted)
		slot = (slot + 1) & slot_mask_;
	keys_[slot].store(key, order::relaxed);
}

// The key is there.
void graph::withdraw(uint32_t key)
{
	uint32_t slot = home_of(key);
	while (keys_[slot].load(order::relaxed) != key)
		slot = (slot + 1) & slot_mask_;
	keys_[slot].store(deleted, order::relaxed);

	// In front of an empty slot no search has to go on.
	if (keys_[(slot + 1) & slot_mask_].load(order::relaxed) != empty)
		return;
	for (; keys_[slot].load(order::relaxed) == deleted; slot = (slot - 1) & slot_mask_)
		keys_[slot].store(empty, order::relaxed);
}

// ---- Edges -----------------------------------------------------------------------------------------------------------

// The graph is not full.
edge *graph::take_edge(node from, node to, edge_kind kind)
{
	edge *e = &edges_[used_edges_];
	if (unused_) {
		e = &at_link(unused_);
		unused_ = e->next_out;
	} else {
		used_edges_++;
	}
	e->from = from;
	e->to = to;
	e->kind = kind;
	publish(key_of(from, to));
	return e;
}

// The edge is in no list any more.
void graph::give_back(uint32_t link)
{
	edge &e = at_link(link);
	withdraw(key_of(e.from, e.to));
	e.kind = edge_kind::unused;
	e.next_out = unused_;
	unused_ = link;
}

verdict graph::insert(node from, node to, uint32_t payload)
{
	if (seen(from, to))
		return verdict::known;
	if (full())
		return would_cycle(from, to) ? verdict::cycle : verdict::full;
	if (!make_upward(from, to))
		return verdict::cycle;
	edge *e = take_edge(from, to, edge_kind::ordered);
	e->payload = payload & max_payload;
	e->next_out = vertices_[from].out;
	e->next_in = vertices_[to].in;
	vertices_[from].out = link_of(e);
	vertices_[to].in = link_of(e);
	ordered_++;
	return verdict::added;
}

verdict graph::refuse(node from, node to)
{
	if (seen(from, to))
		return verdict::known;
	if (full())
		return verdict::full;
	edge *e = take_edge(from, to, edge_kind::refused);
	e->next_out = refusals_;
	refusals_ = link_of(e);
	refused_++;
	return verdict::added;
}

void graph::remove(node n)
{
	removed_ = true;
	while (uint32_t link = vertices_[n].out) {
		const edge &e = at_link(link);
		uint32_t *at = &vertices_[e.to].in;
		while (*at != link)
			at = &at_link(*at).next_in;
		*at = e.next_in;
		vertices_[n].out = e.next_out;
		give_back(link);
		ordered_--;
	}
	while (uint32_t link = vertices_[n].in) {
		const edge &e = at_link(link);
		uint32_t *at = &vertices_[e.from].out;
		while (*at != link)
			at = &at_link(*at).next_out;
		*at = e.next_out;
		vertices_[n].in = e.next_in;
		give_back(link);
		ordered_--;
	}
	for (uint32_t *at = &refusals_; *at;) {
		uint32_t link = *at;
		edge &e = at_link(link);
		if (e.from == n || e.to == n) {
			*at = e.next_out;
			give_back(link);
			refused_--;
		} else {
			at = &e.next_out;
		}
	}
}

// Costs what was used, as long as nothing was removed: then the edges tell what to clear.
void graph::reset()
{
	if (removed_) {
		for (uint32_t slot = 0; slot <= slot_mask_; slot++)
			keys_[slot].store(empty, order::relaxed);
		for (unsigned n = 0; n < max_nodes_; n++)
			vertices_[n] = {};
	} else {
		for (unsigned i = 0; i < used_edges_; i++) {
			const edge &e = edges_[i];
			withdraw(key_of(e.from, e.to));
			vertices_[e.from] = vertices_[e.to] = {};
		}
	}
	used_edges_ = 0;
	unused_ = 0;
	refusals_ = 0;
	ordered_ = 0;
	refused_ = 0;
	ranks_above_ = 0;
	ranks_below_ = 0;
	removed_ = false;
}

const edge *graph::find(node from, node to) const
{
	for (uint32_t link = vertices_[from].out; link; link = at_link(link).next_out)
		if (at_link(link).to == to)
			return &at_link(link);
	return nullptr;
}

// ---- Searches --------------------------------------------------------------------------------------------------------

// Where a search begins needs no mark: without cycles it does not come back.
void graph::start_search()
{
	if (++search_ != 0)
		return;
	for (unsigned n = 0; n < max_nodes_; n++)
		vertices_[n].mark = 0;
	search_ = 1;
}

// Whether the search comes by for the first time.
bool graph::mark(node n)
{
	if (vertices_[n].mark == search_)
		return false;
	vertices_[n].mark = search_;
	return true;
}

// Writes pairs of rank and node to the scratch array: what `begin` reaches below the rank of `end`, itself included.
// Returns how many; 0 if it reaches `end`. The array is also the queue of those whose edges were not followed yet.
unsigned graph::search_up(node begin, node end)
{
	const uint16_t ceiling = vertices_[end].rank;
	unsigned found = 0;

	start_search();
	scratch_[found++] = pair_of(vertices_[begin].rank, begin);
	for (unsigned i = 0; i < found; i++)
		for (uint32_t link = vertices_[node_of(scratch_[i])].out; link;
		     link = at_link(link).next_out) {
			node next = at_link(link).to;
			if (next == end)
				return 0;
			if (vertices_[next].rank < ceiling && mark(next))
				scratch_[found++] = pair_of(vertices_[next].rank, next);
		}
	return found;
}

// The same downward, into `found`: what reaches `begin` from above the rank of `end`. It goes on with the search that
// came up from `end`: that did not reach `begin`, so the two have no node in common.
unsigned graph::search_down(node begin, node end, uint32_t *pairs)
{
	const uint16_t floor = vertices_[end].rank;
	unsigned found = 0;

	pairs[found++] = pair_of(vertices_[begin].rank, begin);
	for (unsigned i = 0; i < found; i++)
		for (uint32_t link = vertices_[node_of(pairs[i])].in; link; link = at_link(link).next_in) {
			node next = at_link(link).from;
			if (vertices_[next].rank > floor && mark(next))
				pairs[found++] = pair_of(vertices_[next].rank, next);
		}
	return found;
}

bool graph::reaches(node from, node to)
{
	return from == to || (vertices_[from].rank < vertices_[to].rank && search_up(from, to) == 0);
}

// Below all others is right for a node that has edges to them only, and above them for one that has edges from them
// only: new nodes need no search. Not all can be below, since an edge has a node that is not.
void graph::give_ranks(node from, node to)
{
	if (vertices_[to].rank == 0)
		vertices_[to].rank = static_cast<uint16_t>(middle_rank + ranks_above_++);
	if (vertices_[from].rank == 0)
		vertices_[from].rank = static_cast<uint16_t>(middle_rank - ++ranks_below_);
}

// Changes the order so that an edge between the nodes goes upward; false if it would close a cycle.
bool graph::make_upward(node from, node to)
{
	if (from == to)
		return false;
	give_ranks(from, to);
	if (vertices_[from].rank < vertices_[to].rank)
		return true;
	unsigned above = search_up(to, from);
	if (above == 0)
		return false;
	uint32_t *const upper = scratch_;
	uint32_t *const lower = scratch_ + above;
	unsigned below = search_down(from, to, lower);

	// They share out the ranks that they have among them: first those that come before the edge, then those that
	// come after it, both in the order they are in.
	sort(upper, above);
	sort(lower, below);
	unsigned u = 0, l = 0;
	for (unsigned i = 0; i < below + above; i++) {
		bool next_is_lower = u == above || (l < below && lower[l] < upper[u]);
		uint16_t rank = first_of(next_is_lower ? lower[l++] : upper[u++]);
		vertices_[node_of(i < below ? lower[i] : upper[i - below])].rank = rank;
	}
	return true;
}

unsigned graph::path(node from, node to, node *out, unsigned max)
{
	// Breadth first; a pair is the place in the queue from where a node was reached, and the node.
	const uint16_t ceiling = vertices_[to].rank;
	unsigned found = 0;
	unsigned at = 0;

	start_search();
	scratch_[found++] = pair_of(0, from);
	for (; at < found && node_of(scratch_[at]) != to; at++)
		for (uint32_t link = vertices_[node_of(scratch_[at])].out; link;
		     link = at_link(link).next_out) {
			node next = at_link(link).to;
			if (vertices_[next].rank <= ceiling && mark(next))
				scratch_[found++] = pair_of(at, next);
		}
	if (at == found)
		return 0;

	unsigned length = 1;
	for (unsigned i = at; i != 0; i = first_of(scratch_[i]))
		length++;
	for (unsigned i = length; i-- != 0; at = first_of(scratch_[at]))
		if (i < max)
			out[i] = node_of(scratch_[at]);
	return length;
}

} // namespace resv::lockdep
