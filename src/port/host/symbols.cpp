// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Names for addresses. The loader knows the functions that an object exports; all the others are in the symbol table of
// its file, which is read once.

#include <resv/port.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <memory>
#include <mutex>
#include <new>
#include <string_view>
#include <utility>

#include <cxxabi.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

// ---- The symbol table of a file --------------------------------------------------------------------------------

struct free_memory {
	void operator()(void *memory) const { free(memory); }
};

using elf_header = ElfW(Ehdr);
using elf_symbol = ElfW(Sym);
using section = ElfW(Shdr);
using segment = ElfW(Phdr);

template <typename T>
using array = std::unique_ptr<T[], free_memory>;

class elf_file {
public:
	explicit elf_file(const char *path) : fd_(open(path, O_RDONLY | O_CLOEXEC))
	{
		struct stat status;
		if (fd_ >= 0 && fstat(fd_, &status) == 0)
			size_ = static_cast<size_t>(status.st_size);
	}
	~elf_file()
	{
		if (fd_ >= 0)
			close(fd_);
	}
	elf_file(const elf_file &) = delete;
	elf_file &operator=(const elf_file &) = delete;

	/// `count` elements at `offset`, with a zero behind them; or null.
	template <typename T>
	array<T> read(size_t offset, size_t count) const
	{
		if (offset > size_ || count > (size_ - offset) / sizeof(T))
			return nullptr;
		array<T> all(static_cast<T *>(calloc(count + 1, sizeof(T))));
		char *to = reinterpret_cast<char *>(all.get());
		size_t left = all ? count * sizeof(T) : 0;
		while (left != 0) {
			ssize_t n = pread(fd_, to, left, static_cast<off_t>(offset));
			if (n <= 0)
				return nullptr;
			to += n;
			offset += static_cast<size_t>(n);
			left -= static_cast<size_t>(n);
		}
		return all;
	}

private:
	int fd_;
	size_t size_ = 0;
};

struct function {
	uintptr_t start;
	size_t size;
	const char *name;
	bool global;
};

/// What is known of an object that is loaded.
struct object {
	explicit object(uintptr_t load_bias) : bias(load_bias) {}

	const uintptr_t bias;
	array<char> names;
	array<function> functions; // one for each address, by address
	size_t count = 0;
	object *next = nullptr;
};

// A library may have been replaced since it was loaded: among what is compared is its build ID.
bool is_file_of(const elf_file &file, const elf_header &header, const dl_phdr_info &loaded)
{
	auto segments = file.read<segment>(header.e_phoff, header.e_phnum);
	if (!segments || header.e_phnum != loaded.dlpi_phnum ||
	    memcmp(segments.get(), loaded.dlpi_phdr, header.e_phnum * sizeof(segment)) != 0)
		return false;
	for (unsigned i = 0; i < header.e_phnum; i++) {
		const segment &s = segments[i];
		if (s.p_type != PT_NOTE)
			continue;
		auto note = file.read<char>(s.p_offset, s.p_filesz);
		const auto *mapped = reinterpret_cast<const void *>(loaded.dlpi_addr + s.p_vaddr);
		if (!note || memcmp(note.get(), mapped, s.p_filesz) != 0)
			return false;
	}
	return true;
}

// Leaves the object as it is if the file has no symbol table, or is none at all.
void read_functions(object &o, const elf_file &file, const dl_phdr_info &loaded)
{
	auto header = file.read<elf_header>(0, 1);
	if (!header || memcmp(header[0].e_ident, ELFMAG, SELFMAG) != 0 ||
	    !is_file_of(file, header[0], loaded))
		return;
	const unsigned section_count = header[0].e_shnum;
	auto sections = file.read<section>(header[0].e_shoff, section_count);
	unsigned table = 0;
	while (sections && table < section_count && sections[table].sh_type != SHT_SYMTAB)
		table++;
	if (!sections || table == section_count || sections[table].sh_link >= section_count)
		return;
	const section &strings = sections[sections[table].sh_link];
	const size_t symbol_count = sections[table].sh_size / sizeof(elf_symbol);
	auto symbols = file.read<elf_symbol>(sections[table].sh_offset, symbol_count);
	auto names = file.read<char>(strings.sh_offset, strings.sh_size);
	array<function> functions(static_cast<function *>(calloc(symbol_count + 1, sizeof(function))));
	if (!symbols || !names || !functions)
		return;

	function *last = functions.get();
	for (size_t i = 0; i < symbol_count; i++) {
		const elf_symbol &s = symbols[i];
		const unsigned type = s.st_info & 0xf;
		if ((type == STT_FUNC || type == STT_GNU_IFUNC) && s.st_shndx != SHN_UNDEF &&
		    s.st_size != 0 && s.st_name < strings.sh_size)
			*last++ = {o.bias + s.st_value, s.st_size, names.get() + s.st_name,
				   s.st_info >> 4 != STB_LOCAL};
	}
	// Of several names for one function, those that others may use come first.
	std::sort(functions.get(), last, [](const function &a, const function &b) {
		if (a.start != b.start)
			return a.start < b.start;
		return a.global != b.global ? a.global : strcmp(a.name, b.name) < 0;
	});
	last = std::unique(functions.get(), last,
			   [](const function &a, const function &b) { return a.start == b.start; });
	o.count = static_cast<size_t>(last - functions.get());
	o.functions = std::move(functions);
	o.names = std::move(names);
}

// ---- What is loaded ---------------------------------------------------------------------------------------------

// Those that an address was looked up in. All are forgotten when one was unloaded: another may have taken its place.
constinit std::mutex objects_lock;
constinit object *objects = nullptr;
constinit unsigned long long unloaded = 0; // as of then

const object *object_of(const dl_phdr_info &loaded)
{
	while (objects != nullptr && loaded.dlpi_subs != unloaded)
		delete std::exchange(objects, objects->next);
	unloaded = loaded.dlpi_subs;
	for (const object *o = objects; o != nullptr; o = o->next)
		if (o->bias == loaded.dlpi_addr)
			return o;
	auto *o = new (std::nothrow) object(loaded.dlpi_addr);
	if (o == nullptr)
		return nullptr;
	const bool is_program = loaded.dlpi_name[0] == '\0';
	read_functions(*o, elf_file(is_program ? "/proc/self/exe" : loaded.dlpi_name), loaded);
	o->next = std::exchange(objects, o);
	return o;
}

const function *function_at(const object &o, uintptr_t pc)
{
	const function *begin = o.functions.get();
	const function *f = std::upper_bound(begin, begin + o.count, pc,
					     [](uintptr_t at, const function &g) { return at < g.start; });
	return f != begin && pc - f[-1].start < f[-1].size ? f - 1 : nullptr;
}

bool contains(const dl_phdr_info &loaded, uintptr_t pc)
{
	for (unsigned i = 0; i < loaded.dlpi_phnum; i++) {
		const segment &s = loaded.dlpi_phdr[i];
		if (s.p_type == PT_LOAD && pc - loaded.dlpi_addr - s.p_vaddr < s.p_memsz)
			return true;
	}
	return false;
}

struct search {
	uintptr_t pc;
	const function *found = nullptr;
};

// Context: objects_lock is held; the loader unloads nothing meanwhile.
int look_into(dl_phdr_info *loaded, size_t, void *data)
{
	auto &s = *static_cast<search *>(data);

	if (!contains(*loaded, s.pc))
		return 0;
	const object *o = object_of(*loaded);
	s.found = o == nullptr ? nullptr : function_at(*o, s.pc);
	return 1;
}

// ---- Names ------------------------------------------------------------------------------------------------------

constexpr std::string_view anonymous = "(anonymous namespace)::";
constexpr std::string_view qualifiers[] = {" const", " volatile", " &&", " &"};
constexpr std::string_view bracket_operators[] = {"()", "->*", "->", "<=>", "<<=", ">>=", "<<",
						  ">>", "<=",  ">=", "<",   ">",   "[]"};

template <size_t N>
size_t length_of_first(const std::string_view (&words)[N], std::string_view text)
{
	const auto *word = std::find_if(std::begin(words), std::end(words),
					[&](std::string_view w) { return text.starts_with(w); });
	return word == std::end(words) ? 0 : word->size();
}

// The length of a bracket and all that is in it.
size_t bracketed(std::string_view text)
{
	size_t depth = 0;

	for (size_t i = 0; i < text.size(); i++) {
		const bool arrow = text[i] == '>' && i != 0 && text[i - 1] == '-';
		if (strchr("(<[", text[i]) != nullptr)
			depth++;
		else if (strchr(")>]", text[i]) != nullptr && !arrow && --depth == 0)
			return i + 1;
	}
	return text.size();
}

/// Takes from a demangled name all that a backtrace does not need: return type, template arguments, parameters and
/// qualifiers, anonymous namespaces, and that it is a lambda's operator() which is called.
void shorten(char *name)
{
	constexpr std::string_view word = "operator", call = "}::operator()";
	std::string_view in = name;
	char *out = name;
	char before = ' ';
	auto take = [&](size_t n) {
		out = std::copy_n(in.data(), n, out);
		before = in[n - 1];
		in.remove_prefix(n);
	};

	bool in_braces = false; // of "{unnamed type#1}"
	bool converts = false;  // "operator unsigned long"
	while (!in.empty()) {
		if (in.starts_with(word) && (before == ' ' || before == ':')) {
			take(word.size());
			const size_t symbol = length_of_first(bracket_operators, in);
			converts = in.starts_with(' ');
			if (symbol != 0 || converts)
				take(symbol + converts);
			if (in.starts_with(" <"))
				in.remove_prefix(1);
		} else if (in.starts_with(anonymous)) {
			in.remove_prefix(anonymous.size());
		} else if (strchr("(<[", in[0]) != nullptr) {
			in.remove_prefix(bracketed(in));
		} else if (const size_t qualifier = length_of_first(qualifiers, in)) {
			in.remove_prefix(qualifier);
		} else if (in[0] == ' ' && !in_braces && !converts) {
			take(1);
			out = name; // all of it was a part of the return type
		} else {
			in_braces = in[0] == '{' || (in_braces && in[0] != '}');
			take(1);
		}
	}
	if (std::string_view(name, static_cast<size_t>(out - name)).ends_with(call))
		out -= call.size() - 1;
	*out = '\0';
}

/// Writes name, offset and size. A long name keeps its end.
void write(char *buf, size_t size, const char *symbol, unsigned long offset, unsigned long length)
{
	constexpr size_t longest = 80;

	// What the compiler has split off or the linker has versioned is not mangled.
	const size_t mangled = strcspn(symbol, ".@");
	const int suffix = static_cast<int>(symbol[mangled] == '.' ? strcspn(symbol + mangled, "@") : 0);
	array<char> name(strndup(symbol, mangled));
	array<char> demangled;
	if (name != nullptr && strncmp(name.get(), "_Z", 2) == 0) // others may look like a type
		demangled.reset(abi::__cxa_demangle(name.get(), nullptr, nullptr, nullptr));
	if (demangled != nullptr)
		shorten(demangled.get());
	std::string_view text(symbol, mangled);
	if (demangled != nullptr && demangled[0] != '\0')
		text = demangled.get();
	const char *dots = text.size() > longest ? "..." : "";
	text.remove_prefix(text.size() - std::min(text.size(), longest));
	snprintf(buf, size, "%s%.*s%.*s+0x%lx/0x%lx", dots, static_cast<int>(text.size()), text.data(),
		 suffix, symbol + mangled, offset, length);
}

bool write_function(uintptr_t pc, uintptr_t inside, char *buf, size_t size)
{
	std::scoped_lock guard(objects_lock);
	search s{inside};

	dl_iterate_phdr(look_into, &s);
	if (s.found == nullptr)
		return false;
	write(buf, size, s.found->name, pc - s.found->start, s.found->size);
	return true;
}

bool write_exported(uintptr_t pc, uintptr_t inside, char *buf, size_t size)
{
	Dl_info info;
	void *entry = nullptr;

	if (dladdr1(reinterpret_cast<void *>(inside), &info, &entry, RTLD_DL_SYMENT) == 0 ||
	    info.dli_sname == nullptr)
		return false;
	write(buf, size, info.dli_sname, pc - reinterpret_cast<uintptr_t>(info.dli_saddr),
	      static_cast<const elf_symbol *>(entry)->st_size);
	return true;
}

} // namespace

// A call that does not return may be the last instruction of its function: its return address is not in there any more.
void resv_port_symbol(uintptr_t pc, char *buf, size_t size)
{
	for (uintptr_t inside : {pc - 1, pc})
		if (write_function(pc, inside, buf, size) || write_exported(pc, inside, buf, size))
			return;
	snprintf(buf, size, "0x%lx", static_cast<unsigned long>(pc));
}
