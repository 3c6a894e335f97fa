# SPDX-License-Identifier: MIT OR GPL-2.0-only
#
# Prints each mutant of a C++ source, laid out as .clang-format says, on a line: 'order' if it weakens what other CPUs see,
# otherwise 'logic'; the line's number; the line; and what it becomes. Tabs are between them. What may be no operator has
# no space on both sides, and is left alone.

# Comments and strings are nothing to change: their letters are blanked, so that the rest keeps its place.
function code_of(line,    at, c, quote, out) {
	for (at = 1; at <= length(line); at++) {
		c = substr(line, at, 1)
		if (!quote && substr(line, at, 2) == "//")
			break
		if (quote && c == "\\") {
			out = out "  "
			at++
		} else if (quote) {
			out = out (c == quote ? c : " ")
			if (c == quote)
				quote = ""
		} else {
			out = out c
			if (c == "\"" || (c == "'" && substr(line, at - 1, 1) !~ /[0-9a-fA-F]/))
				quote = c
		}
	}
	sub(/[ \t]+$/, "", out)
	return out
}

function mutant(kind, changed) {
	sub(/^[ \t]+/, "", changed)
	sub(/[ \t]+$/, "", changed)
	if (!shown[FNR, changed]++)
		print kind "\t" FNR "\t" bare "\t" changed
}

# Each place where `from` stands becomes `to`, one at a time.
function swap(kind, from, to,    at, place, before, after) {
	for (at = 1; (place = index(substr(code, at), from)) != 0; at += place - 1 + length(from)) {
		before = substr($0, 1, at + place - 2)
		after = substr($0, at + place - 1 + length(from))
		# a name or a number is a whole one
		if (from ~ /^[a-z0-9]/ && (before ~ /[A-Za-z0-9_.']$/ || after ~ /^([A-Za-tv-z0-9_.']|u[a-z0-9])/))
			continue
		mutant(kind, before to after)
	}
}

# Where the bracket at `from` is closed, or 0.
function closed(from,    at, depth, c) {
	for (at = from; at <= length(code); at++) {
		c = substr(code, at, 1)
		depth += (c == "(") - (c == ")")
		if (depth == 0)
			return at
	}
	return 0
}

# A comparison alone is negated where its operator is.
function negate(word,    at, from, to, condition, start) {
	if ((at = index(code, word " (")) == 0)
		return
	from = at + length(word) + 1
	if ((to = closed(from)) == 0)
		return
	condition = substr(code, from + 1, to - from - 1)
	while ((start = index(condition, "; ")) != 0) {
		from += start + 1
		condition = substr(condition, start + 2)
	}
	if (condition ~ /&&|\|\|/ || condition !~ / [!=]= |^!/)
		mutant("logic", substr($0, 1, from) "!(" substr($0, from + 1, to - from - 1) ")" substr($0, to))
}

function unfence(    at, from, to) {
	if ((at = index(code, "exchange_fenced(")) == 0)
		return
	from = at + length("exchange_fenced")
	if ((to = closed(from)) != 0)
		mutant("order", substr($0, 1, at + length("exchange") - 1) substr($0, from, to - from) ", order::acq_rel" \
			substr($0, to))
}

{
	code = code_of($0)
	begins = last ~ /(^|[;{}):]|else|do)$/
	if (code != "")
		last = code
	bare = $0
	sub(/^[ \t]+/, "", bare)
}

code ~ /^[ \t]*(#|static_assert|template|using|namespace|friend)/ || code == "" {
	next
}

{
	swap("logic", " == ", " != ")
	swap("logic", " != ", " == ")
	swap("logic", " < ", " <= ")
	swap("logic", " <= ", " < ")
	swap("logic", " > ", " >= ")
	swap("logic", " >= ", " > ")
	swap("logic", " && ", " || ")
	swap("logic", " || ", " && ")
	swap("logic", " + ", " - ")
	swap("logic", " - ", " + ")
	swap("logic", " * ", " / ")
	swap("logic", " % ", " / ")
	swap("logic", " & ", " | ")
	swap("logic", " | ", " & ")
	swap("logic", " += ", " -= ")
	swap("logic", " -= ", " += ")
	swap("logic", " |= ", " &= ")
	swap("logic", " &= ", " |= ")
	swap("logic", "++", "--")
	swap("logic", "--", "++")
	swap("logic", "0", "1")
	swap("logic", "1", "0")
	swap("logic", "true", "false")
	swap("logic", "false", "true")
	swap("order", "order::acq_rel", "order::acquire")
	swap("order", "order::acq_rel", "order::release")
	swap("order", "order::acquire", "order::relaxed")
	swap("order", "order::release", "order::relaxed")
	unfence()
	negate("if")
	negate("while")
}

# `!` goes where it is no part of `!=`.
code ~ /![A-Za-z_(:]/ {
	for (at = 1; at < length(code); at++)
		if (substr(code, at, 2) ~ /![A-Za-z_(:]/)
			mutant("logic", substr($0, 1, at - 1) substr($0, at + 1))
}

# A statement is dropped if it is one line, and declares nothing.
begins && (code ~ /^[ \t]+[^ \t=]+( [-+|&]?= .*|\(.*\)|\+\+|--);$/ || code ~ /^[ \t]+(return|break|continue);$/) &&
		code !~ /^[ \t]+(return|delete|throw|co_return|goto)[ (]/ {
	mutant(code ~ /full_fence\(\)/ ? "order" : "logic", ";")
}
