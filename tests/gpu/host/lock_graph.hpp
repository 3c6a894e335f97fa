// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef GPU_HOST_LOCK_GRAPH_HPP
#define GPU_HOST_LOCK_GRAPH_HPP

#include <cstdio>
#include <memory>
#include <string>

namespace gpu {

/// A file that gets a picture of the lock order: .dot as it is, .svg, .png and .pdf through graphviz.
class lock_graph_file {
public:
	/// False: it could not be written later; `error` says why.
	bool open(const std::string &path, std::string &error);

	/// Draws what the annotator has seen so far. False: `error` says why it could not. Context: no annotated lock is
	/// held.
	bool write(std::string &error);

private:
	struct close_file {
		void operator()(FILE *file) const { fclose(file); }
	};

	std::string path_;
	std::string format_;
	std::unique_ptr<FILE, close_file> out_;
};

} // namespace gpu

#endif // GPU_HOST_LOCK_GRAPH_HPP
