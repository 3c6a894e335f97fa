#!/bin/sh
# SPDX-License-Identifier: MIT OR GPL-2.0-only
#
# run.sh DIR: counts the instructions of the fast paths and compares them with limits.conf; works in DIR. Instructions,
# not time: the count is the same on a busy machine.
set -eu

here=$(dirname "$0")
dir=$1
mkdir -p "$dir"

# count NAME FLAGS...: prints "function instructions" for each fast path.
count() {
	name=$1
	shift
	${CXX:-g++} -std=c++20 -O2 "$@" -Ibuild/release/include -Iinclude "$here/count.cpp" build/release/libresv.a \
		-Wl,-z,now -lpthread -o "$dir/$name"
	valgrind --tool=callgrind --callgrind-out-file="$dir/$name.out" "$dir/$name" 2>"$dir/$name.log"
	callgrind_annotate --inclusive=yes --threshold=100 "$dir/$name.out" |
		sed -n 's/^ *\([0-9,]*\) .*:count_\([a-z0-9_]*\).*/\2 \1/p' | tr -d , >"$dir/$name.counts"
}

# compare NAME: one line for each limit; the number of failures is its exit code.
compare() {
	awk '
		NR == FNR { counted[$1] = $2; next }
		/^#/ || !NF { next }
		{
			ok = ($1 in counted) && counted[$1] <= $2
			failed += !ok
			printf "  %-38s %6s of %6s  %s\n", $1, ($1 in counted) ? counted[$1] : "?", $2,
			       ok ? "" : "TOO MANY"
			delete counted[$1]
		}
		END {
			for (name in counted) {
				print "  " name " has no limit"
				failed++
			}
			exit failed
		}' "$dir/$1.counts" "$here/limits.conf"
}

count paths
count planted -DPLANT

passed=$(grep -c '^[a-z]' "$here/limits.conf")
failed=0
compare paths || failed=$?
passed=$((passed - failed))

if compare planted >"$dir/planted.log"; then
	echo "an instruction too many in count_lock_unlock was not noticed"
	failed=$((failed + 1))
else
	passed=$((passed + 1))
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
