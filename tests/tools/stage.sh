# shellcheck shell=sh
# SPDX-License-Identifier: MIT OR GPL-2.0-only
#
# For scripts that use an installed tree: it was put below $stage, and installed for $prefix.
# shellcheck disable=SC2154 # those two are set by the script

# pc ARGUMENT...: pkg-config, as if $stage were the root.
pc() {
	PKG_CONFIG_SYSROOT_DIR=$PWD/$stage PKG_CONFIG_LIBDIR=$stage$prefix/lib/pkgconfig pkg-config "$@"
}

# build LIBRARY SOURCE PROGRAM: compiles and links a C or C++ program as its author would.
# shellcheck disable=SC2046 # pkg-config prints words
build() {
	case $2 in
	*.c) ${CC:-gcc} -std=c11 -Wall -Wextra -Werror $(pc --cflags "$1") "$2" $(pc --libs "$1") -o "$3" ;;
	*) ${CXX:-g++} -std=c++20 -Wall -Wextra -Werror $(pc --cflags "$1") "$2" $(pc --libs "$1") -o "$3" ;;
	esac
}
