// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "lock_graph.hpp"

#include <resv/lockdep.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gpu {

namespace {

bool is_installed(const std::string &program)
{
	const char *path = getenv("PATH");
	std::string directories = path ? path : "";
	for (size_t begin = 0, end; begin <= directories.size(); begin = end + 1) {
		end = std::min(directories.find(':', begin), directories.size());
		if (access((directories.substr(begin, end - begin) + "/" + program).c_str(), X_OK) == 0)
			return true;
	}
	return false;
}

constexpr const char *look =
	"\tgraph [bgcolor=white, pad=0.3, nodesep=0.4, ranksep=0.5, fontname=\"monospace\", fontsize=10, "
	"label=\"\\nAn arrow: whoever holds the one may wait for the other; dashed: holds it shared.\\n"
	"Red: a circle, and the order that would have closed it.\"];\n"
	"\tnode [style=\"rounded,filled\", fillcolor=\"#eef3f8\", color=\"#5a7894\", fontsize=12, "
	"margin=\"0.18,0.09\"];\n"
	"\tedge [color=\"#5a7894\", arrowsize=0.8, fontcolor=red];\n";

struct dot_file {
	FILE *file;
	bool has_look = false;
};

// From the annotator, line by line. How things look is said behind its own defaults.
void write_line(const char *line, void *data)
{
	auto &to = *static_cast<dot_file *>(data);
	const char *first = line + strspn(line, "\t");
	const bool is_default = strchr(line, '{') || strncmp(first, "node ", 5) == 0 ||
				strncmp(first, "edge ", 5) == 0 || strncmp(first, "graph ", 6) == 0;
	if (!is_default && !to.has_look) {
		fputs(look, to.file);
		to.has_look = true;
	}
	fprintf(to.file, "%s\n", line);
}

// Runs `dot` from one open file to another.
bool draw(const std::string &format, int in, int out)
{
	const std::string option = "-T" + format;
	const char *arguments[] = {"dot", option.c_str(), nullptr};
	posix_spawn_file_actions_t files;
	pid_t child;
	int status = -1;
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	if (posix_spawnp(&child, arguments[0], &files, nullptr, const_cast<char **>(arguments), environ) == 0)
		waitpid(child, &status, 0);
	posix_spawn_file_actions_destroy(&files);
	return status == 0;
}

} // namespace

bool lock_graph_file::open(const std::string &path, std::string &error)
{
	size_t dot = path.find_last_of("./");
	path_ = path;
	format_ = dot == path.npos ? "" : path.substr(dot);
	if (format_ != ".dot" && format_ != ".svg" && format_ != ".png" && format_ != ".pdf") {
		error = "--lockgraph: got '" + path + "', expected a file .dot, .svg, .png or .pdf";
		return false;
	}
	if (!RESV_PROVE_LOCKING) {
		error = "--lockgraph: this program does not know the lock order, expected one that was built "
			"with "
			"PROVE_LOCKING: build/prove/gpu/resv-gpu, or make run LOCKGRAPH=" +
			path;
		return false;
	}
	if (format_ != ".dot" && !is_installed("dot")) {
		error = "--lockgraph: " + format_ +
			" needs graphviz. On Debian:\n"
			"sudo apt-get install -y --no-install-recommends graphviz";
		return false;
	}
	out_.reset(fopen(path.c_str(), "w"));
	if (!out_) {
		error = path + ": " + strerror(errno);
		return false;
	}
	return true;
}

bool lock_graph_file::write(std::string &error)
{
	std::unique_ptr<FILE, close_file> dot(format_ == ".dot" ? nullptr : tmpfile());
	dot_file to{dot ? dot.get() : out_.get()};
	resv_lockdep_dump_dot(write_line, &to);
	bool good = fflush(to.file) == 0 && !ferror(to.file);
	if (good && dot) {
		rewind(dot.get());
		good = draw(format_.substr(1), fileno(dot.get()), fileno(out_.get()));
	}
	out_.reset();
	if (!good)
		error = path_ + ": could not be written";
	return good;
}

} // namespace gpu
