// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Reservations outlive the functions that take them here.
#include "fenced_job.hpp"

namespace gpu {

int fenced_job::submit(device &gpu, actor &self, const resv::wait_request &request, resv::fence_ref &fence)
{
	resv::transaction t(gpu.cls(), request);
	self.note_context(&t.context());
	int err = t.run([&](resv::transaction &pass) { return make_all_resident(pass, gpu, self); });
	counters &stats = self.stats;
	stats.retries += t.retries();
	if (err != 0)
		return err;
	reserved_at = resv_port_clock();
	stats.wait.add(reserved_at - begin);
	gpu.hang_if_told(self);
	err = hand_in(gpu, self, fence);
	if (err != 0)
		return err;
	t.release_all();
	released_at = resv_port_clock();
	return 0;
}

// One pass: all reserved, each with room for the fences of its move and of the job; then, all at home in the VRAM. What
// was moved in already stays there if the pass has to be given up.
int fenced_job::make_all_resident(resv::transaction &t, device &gpu, actor &self)
{
	constexpr unsigned fences = 2;
	for (unsigned i = 0; i < count; i++) {
		int err = t.prepare_one(buffers[i].what->object, fences);
		if (err == -EALREADY)
			note_again(i);
		else if (err != 0)
			return err;
	}
	for (unsigned i = 0; i < count; i++)
		if (int err =
			    gpu.memory().make_resident(t, *buffers[i].what, gpu.device_of(self.index), self))
			return err;
	return 0;
}

void fenced_job::note_again(unsigned i)
{
	unsigned first = 0;
	while (buffers[first].what != buffers[i].what)
		first++;
	buffers[first].write |= buffers[i].write;
	buffers[i].again = true;
}

// From here on the job is under way: all that is left to do cannot fail.
int fenced_job::hand_in(device &gpu, actor &self, resv::fence_ref &fence)
{
	unsigned uses = 0, dependencies = 0;
	for (unsigned i = 0; i < count; i++) {
		if (buffers[i].again)
			continue;
		uses++;
		dependencies += submission::count(buffers[i].what->object, resv::usage_rw(buffers[i].write));
	}
	submission *s = submission::create(work::job, uses, dependencies);
	if (!s)
		return -ENOMEM;
	s->id = id;
	s->owner = &self;
	s->busy_ns = busy_ns;
	s->skips_fences = skips_fences;
	unsigned at = 0;
	for (unsigned i = 0; i < count; i++) {
		const named_buffer &named = buffers[i];
		if (named.again)
			continue;
		s->uses[at] = {.buffer = named.what->id & 0x7fffffff, .write = named.write};
		s->places[at++] = named.what->home.load(resv::order::relaxed);
		s->wait_for(named.what->object, resv::usage_rw(named.write));
	}
	gpu.ring_at(gpu.ring_of(self.index)).submit(*s);
	fence = resv::fence_ref(s->c());
	for (unsigned i = 0; i < count; i++) {
		const named_buffer &named = buffers[i];
		if (named.again)
			continue;
		named.what->object.add_fence(s->fence(),
					     named.write ? resv::usage::write : resv::usage::read);
		memory::touch(*named.what, gpu.device_of(self.index));
	}
	return 0;
}

} // namespace gpu
